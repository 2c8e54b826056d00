//! What settings mean, as tables.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn target_at(home: &Path, text: &str) -> Result<Target, BrokerError> {
    let environment =
        Environment { var: &|_| None, home: Some(home.to_owned()), user: Some("unix".to_owned()) };
    Target::new(&Conninfo::parse(text)?, &environment, "dispatcher")
}

fn target(text: &str) -> Result<Target, BrokerError> {
    target_at(Path::new("/nonexistent"), text)
}

fn fault(text: &str) -> String {
    let error = target(text).unwrap_err();
    assert!(error.is_config());
    error.to_string()
}

#[test]
fn defaults_are_those_of_libpq_but_nothing_waits_for_ever() {
    let target = target("host=db").unwrap();
    assert_eq!((target.user.as_str(), target.dbname.as_str()), ("unix", "unix"));
    assert_eq!(
        (target.hosts[0].to_string().as_str(), target.application_name.as_str()),
        ("db:5432", "dispatcher")
    );
    assert_eq!(target.connect_timeout, CONNECT_TIMEOUT);
    assert_eq!(target.keepalive.user_timeout, Some(TCP_USER_TIMEOUT));
}

#[test]
fn numbers_are_read_and_zero_leaves_a_timer_to_the_system() {
    let target = target(
        "connect_timeout=3 keepalives_idle=0 keepalives_count=9 tcp_user_timeout=1500 keepalives=1 \
         fallback_application_name=fall",
    )
    .unwrap();
    assert_eq!(target.connect_timeout, Duration::from_secs(3));
    assert_eq!((target.keepalive.idle, target.keepalive.count), (None, Some(9)));
    assert_eq!(target.keepalive.user_timeout, Some(Duration::from_millis(1500)));
    assert_eq!(target.application_name, "fall");
    assert_eq!(fault("connect_timeout=soon"), "connect_timeout=\"soon\" is not a whole number");
}

#[test]
fn lists_of_hosts_stand_side_by_side() {
    let shown =
        |text: &str| target(text).unwrap().hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(shown("host=a,b port=1,2"), "a:1 b:2");
    assert_eq!(shown("host=a,b port=7"), "a:7 b:7");
    assert_eq!(shown("host=a,/run port=,2"), "a:5432 /run/.s.PGSQL.2");
    assert_eq!(shown("hostaddr=::1,127.0.0.2 host=a,"), "a (::1):5432 127.0.0.2:5432");
    assert!(fault("host=a,b port=1,2,3").contains("same number"));
    assert!(fault("host=a port=0").contains("1 to 65535"));
    assert!(fault("postgres://me:p@ss@db").contains("%40"));
    assert!(fault("hostaddr=db").contains("not an IP address"));
}

#[test]
fn each_host_gets_its_password_from_the_password_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(".pgpass");
    fs::write(&path, "a:5432:*:me:one\nlocalhost:5432:*:*:two\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let target = target_at(home.path(), "host=a,b,/tmp user=me").unwrap();
    let found: Vec<_> = target.hosts.iter().map(|host| host.password.as_ref().map(Secret::expose)).collect();
    assert_eq!(found, [Some("one"), None, Some("two")]);
    let target = target_at(home.path(), "host=a user=me password=mine").unwrap();
    assert_eq!(target.hosts[0].password.as_ref().map(Secret::expose), Some("mine"));
    assert!(!format!("{target:?}").contains("mine"));
}

#[test]
fn choices_name_what_there_is() {
    assert!(fault("sslmode=verify").contains("disable, allow, prefer, require, verify-ca, verify-full"));
    assert!(fault("target_session_attrs=standby").contains("does not listen"));
    assert!(fault("require_auth=scram").contains("scram-sha-256"));
    assert!(fault("require_auth=md5,!none").contains("mixes"));
    assert!(
        target("require_auth=!md5,!password target_session_attrs=primary channel_binding=require").is_ok()
    );
}

#[test]
fn encryption_settings_that_contradict_each_other_are_refused() {
    assert!(fault("sslrootcert=system sslmode=require").contains("verify-full"));
    assert!(fault("sslnegotiation=direct").contains("sslmode=require"));
    assert!(fault("ssl_max_protocol_version=TLSv1.1").contains("neither"));
    assert!(fault("ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2").contains("neither"));
    assert!(target("sslcert= sslkey= sslrootcert= sslmode=").is_ok());
    let system = target("sslrootcert=system").unwrap();
    assert_eq!(system.ssl.mode.as_str(), "verify-full");
}

#[test]
fn unencrypted_way_to_another_machine_is_worth_a_warning() {
    let warnings = |text: &str| {
        let environment = Environment { var: &|_| None, home: None, user: Some("u".to_owned()) };
        let info = Conninfo::parse(text).unwrap();
        Target::new(&info, &environment, "x").unwrap().warnings(&info, &environment).join("\n")
    };
    assert!(warnings("host=db").contains("sslmode=prefer"));
    for text in ["host=db sslmode=require", "host=localhost", "host=127.0.0.1 sslmode=disable", "host=/tmp"] {
        assert_eq!(warnings(text), "", "{text}");
    }
}
