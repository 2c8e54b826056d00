//! Service files: named sets of connection settings outside the config.
//!
//! The user's file is asked first, then the system's `pg_service.conf`. A service that is named and found nowhere
//! is an error.

use std::fs;
use std::path::{Path, PathBuf};

use super::conninfo::{Conninfo, Environment, config};
use crate::BrokerError;

/// Where Debian and most others keep the system's file; `PGSYSCONFDIR` overrides it.
const SYSTEM_DIR: &str = "/etc/postgresql-common";

/// Fills in what the named service says and the settings do not.
pub(super) fn apply(conninfo: &mut Conninfo, environment: &Environment<'_>) -> Result<(), BrokerError> {
    let Some(service) =
        conninfo.get("service").map(ToOwned::to_owned).or_else(|| (environment.var)("PGSERVICE"))
    else {
        return Ok(());
    };
    let named =
        conninfo.get("servicefile").map(ToOwned::to_owned).or_else(|| (environment.var)("PGSERVICEFILE"));
    let user_file = match named {
        Some(path) => {
            let path = PathBuf::from(path);
            if !path.exists() {
                return Err(config(format!("the service file {} does not exist", path.display())));
            }
            Some(path)
        }
        None => environment.home.as_ref().map(|home| home.join(".pg_service.conf")),
    };
    let system_dir = (environment.var)("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_DIR.to_owned());
    let system_file = Path::new(&system_dir).join("pg_service.conf");
    for path in user_file.iter().chain([&system_file]).filter(|path| path.exists()) {
        let text = fs::read_to_string(path)
            .map_err(|error| config(format!("cannot read the service file {}: {error}", path.display())))?;
        if read(&text, &service, conninfo, path)? {
            return Ok(());
        }
    }
    Err(config(format!("no service file defines the service {service:?}")))
}

/// Takes over the section of that name; false when there is none.
fn read(text: &str, service: &str, conninfo: &mut Conninfo, path: &Path) -> Result<bool, BrokerError> {
    let mut inside = false;
    let mut found = false;
    for (number, line) in text.lines().enumerate().map(|(index, line)| (index + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fault = |what: &str| config(format!("service file {}, line {number}: {what}", path.display()));
        if let Some(section) = line.strip_prefix('[') {
            if found {
                break;
            }
            inside = section.strip_suffix(']').is_some_and(|name| name == service);
            found = inside;
        } else if inside {
            let (name, value) = line.split_once('=').ok_or_else(|| fault("there is no \"=\""))?;
            if matches!(name, "service" | "servicefile") {
                return Err(fault("a service cannot name another one"));
            }
            conninfo.set_default(name, value.into()).map_err(|error| fault(&error.to_string()))?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conninfo(text: &str) -> Conninfo {
        Conninfo::parse(text).unwrap()
    }

    #[test]
    fn service_fills_in_what_is_not_set() {
        let mut settings = conninfo("host=here");
        let text = "# c\n[other]\nhost=x\n[jobs]\nhost=there\ndbname=a=b\n\n[last]\nuser=z\n";
        assert!(read(text, "jobs", &mut settings, Path::new("f")).unwrap());
        assert_eq!(settings.get("host"), Some("here"));
        assert_eq!(settings.get("dbname"), Some("a=b"));
        assert_eq!(settings.get("user"), None);
        assert!(!read(text, "nobody", &mut settings, Path::new("f")).unwrap());
    }

    #[test]
    fn faults_name_the_file_and_the_line_but_no_value() {
        let error =
            read("[a]\npasswort=geheim\n", "a", &mut conninfo(""), Path::new("f")).unwrap_err().to_string();
        assert!(error.contains("service file f, line 2") && error.contains("\"password\""), "{error}");
        assert!(!error.contains("geheim"), "{error}");
    }

    #[test]
    fn service_that_is_defined_nowhere_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let var = |name: &str| (name == "PGSYSCONFDIR").then(|| dir.path().display().to_string());
        let environment = Environment { var: &var, home: Some(dir.path().to_owned()), user: None };
        let error = apply(&mut conninfo("service=ghost"), &environment).unwrap_err();
        assert!(error.is_config() && error.to_string().contains("\"ghost\""), "{error}");
        fs::write(dir.path().join(".pg_service.conf"), "[ghost]\nport=1\n").unwrap();
        let mut settings = conninfo("service=ghost");
        apply(&mut settings, &environment).unwrap();
        assert_eq!(settings.get("port"), Some("1"));
    }
}
