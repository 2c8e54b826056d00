//! The help texts, word for word.

use insta::assert_snapshot;

use crate::place::Place;

#[test]
fn help_says_what_there_is() {
    assert_snapshot!(Place::new().run(&["--help"]), @"
    exit code 0
    Runs tasks that applications send through Postgres, in worker processes that it can always stop

    Usage: dispatcher <COMMAND>

    Commands:
      serve   Runs the service until it is told to stop
      ctl     Asks running services a question and prints their replies
      submit  Sends one task and prints its uuid
      check   Checks a config file and says what a service would do with it
      schema  Prints the JSON Schema of the config file, for editors and other tools
      help    Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments or configuration.
    ");
}

#[test]
fn help_of_serve_has_an_example_defaults_and_exit_codes() {
    assert_snapshot!(Place::new().run(&["serve", "--help"]), @"
    exit code 0
    Runs the service until it is told to stop.

    SIGTERM or SIGINT lets running tasks finish for service.shutdown_grace seconds (30), then cancels
    them; a second signal cancels at once.

    Example: dispatcher serve --config /etc/dispatcher.yml --log-level INFO

    Usage: dispatcher serve [OPTIONS]

    Options:
          --config <FILE>
              The config file [default: the file named by DISPATCHER_CONFIG_FILE or
              DISPATCHERD_CONFIG_FILE, else dispatcher.yml]

          --config-fd <N>
              Read the config from this open descriptor instead of a file

          --log-level <LEVEL>
              Least important messages to log

              Possible values:
              - DEBUG
              - INFO
              - WARNING
              - ERROR
              - CRITICAL: The service logs nothing as critical, so this is silence

              [default: DEBUG]

          --log-format <FORMAT>
              How log lines look [default: text on a terminal, else json; text under the names of
              dispatcherd]

              Possible values:
              - text: 2026-11-24 04:11:38,123 INFO dispatcher.pool: message key=value
              - json: One JSON object a line: timestamp, level, logger, message, fields

          --fail-fast
              End with code 1 when a broker is away at the start, instead of waiting for it

      -h, --help
              Print help (see a summary with '-h')

    Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments or configuration.
    ");
}

#[test]
fn help_of_ctl_lists_the_commands() {
    assert_snapshot!(Place::new().run(&["ctl", "-h"]), @"
    exit code 0
    Asks running services a question and prints their replies

    Usage: dispatcher ctl [OPTIONS] <COMMAND>

    Commands:
      alive          Who is there: an empty reply of every service
      running        Tasks that run or wait, all or those that match
      cancel         Cancel tasks that run or wait: those that match, or all
      aio_tasks      The tasks of the service's own runtime, and what each is at
      workers        The worker processes and what each of them does
      stack          What running tasks are doing: the Python stacks of their workers
      main           Counters of the service and its pool
      producers      Where tasks come from, and how many came from each
      status         Everything that the questions above say, in one reply
      ended          The last tasks that are over, and how they ended
      chunks         Long messages of which pieces are missing
      metrics        The metrics server and what became of its requests
      pause          Begin no more tasks; new ones are taken and wait
      quiet          Take no more tasks and end those that are here, for a deploy
      resume         Take and begin tasks again, after pause or quiet
      recycle        Replace workers, each after its task, one after the other
      scale          Change the numbers of workers until the service is started again
      set_log_level  Change how much the service logs
      help           Print this message or the help of the given subcommand(s)

    Options:
          --config <FILE>         The config file [default: the file named by DISPATCHER_CONFIG_FILE or
                                  DISPATCHERD_CONFIG_FILE, else dispatcher.yml]
          --expected-replies <N>  Replies to wait for; fewer are a failure [default: 1]
          --timeout <SECONDS>     Seconds to wait for them [default: 1]
          --log-level <LEVEL>     Least important messages to log [default: WARNING; DEBUG under the
                                  name dispatcherctl] [possible values: DEBUG, INFO, WARNING, ERROR,
                                  CRITICAL]
          --output <FORM>         How the replies are printed [default: yaml] [possible values: yaml,
                                  json, table]
          --watch[=<SECONDS>]     Ask again and again, every 2 seconds or every so many
      -h, --help                  Print help (see more with '--help')

    Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments or configuration.
    ");
}

#[test]
fn help_of_a_control_command_names_its_options() {
    assert_snapshot!(Place::new().run(&["ctl", "cancel", "-h"]), @"
    exit code 0
    Cancel tasks that run or wait: those that match, or all

    Usage: dispatcher ctl cancel [OPTIONS]

    Options:
          --task <TASK>           Only tasks of this name
          --uuid <UUID>           Only the task with this uuid
          --config <FILE>         The config file [default: the file named by DISPATCHER_CONFIG_FILE or
                                  DISPATCHERD_CONFIG_FILE, else dispatcher.yml]
          --expected-replies <N>  Replies to wait for; fewer are a failure [default: 1]
          --timeout <SECONDS>     Seconds to wait for them [default: 1]
          --log-level <LEVEL>     Least important messages to log [default: WARNING; DEBUG under the
                                  name dispatcherctl] [possible values: DEBUG, INFO, WARNING, ERROR,
                                  CRITICAL]
          --output <FORM>         How the replies are printed [default: yaml] [possible values: yaml,
                                  json, table]
          --watch[=<SECONDS>]     Ask again and again, every 2 seconds or every so many
      -h, --help                  Print help (see more with '--help')

    Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments.
    ");
}

#[test]
fn help_of_submit_is_worth_reading() {
    assert_snapshot!(Place::new().run(&["submit", "--help"]), @r#"
    exit code 0
    Sends one task and prints its uuid.

    Nothing waits for the task: it runs when a service hears it.

    Example: dispatcher submit app.tasks.report --args '[2026, "may"]' --queue reports

    Usage: dispatcher submit [OPTIONS] <TASK>

    Arguments:
      <TASK>
              The dotted name of the task

    Options:
          --args <JSON>
              Its positional arguments, a JSON list

          --kwargs <JSON>
              Its keyword arguments, a JSON object

          --queue <CHANNEL>
              The channel to send it to [default: the default channel of the broker]

          --timeout <SECONDS>
              Seconds after which it is cancelled [default: never]

          --delay <SECONDS>
              Seconds after which it begins [default: at once]

          --on-duplicate <RULE>
              What to do while an equal task runs or waits [default: parallel]

              Possible values:
              - parallel:  Run beside it
              - discard:   Drop the new one
              - serial:    Run after it, one by one
              - queue_one: Run after it, unless one waits already

          --uuid <UUID>
              Its uuid [default: a random one]

          --config <FILE>
              The config file [default: the file named by DISPATCHER_CONFIG_FILE or
              DISPATCHERD_CONFIG_FILE, else dispatcher.yml]

      -h, --help
              Print help (see a summary with '-h')

    Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments or configuration.
    "#);
}

#[test]
fn help_of_check_is_worth_reading() {
    assert_snapshot!(Place::new().run(&["check", "-h"]), @"
    exit code 0
    Checks a config file and says what a service would do with it

    Usage: dispatcher check [FILE]

    Arguments:
      [FILE]  The config file [default: the file named by DISPATCHER_CONFIG_FILE or
              DISPATCHERD_CONFIG_FILE, else dispatcher.yml]

    Options:
      -h, --help  Print help (see more with '--help')

    Exit codes: 0 done; 1 refused, too few replies or failed; 2 wrong arguments or configuration.
    ");
}
