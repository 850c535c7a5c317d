//! Which step of the action runs, and with which inputs. A mistake in an input fails the main step, and costs the post step a warning.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{Arg, Command, CommandFactory, Error, FromArgMatches, Parser};

use crate::inputs::{Inputs, Telling};
use crate::runner::Runner;

/// What wrong usage ends with.
const WRONG_USAGE: u8 = 2;

/// Opens a session for the runner's address, and closes it in the post step.
#[derive(Parser)]
#[command(name = "entryguard-action", version, about)]
pub enum Step {
    /// Opens the session.
    Main(Box<Inputs>),
    /// Closes it, whatever became of the job.
    Post(Telling),
}

/// Reads the step from a command line, and its inputs from the environment.
pub fn read(arguments: impl Iterator<Item = OsString>, runner: &Runner) -> Result<Step, Error> {
    let arguments: Vec<_> = arguments.collect();
    let is_post = arguments.get(1).is_some_and(|step| step == "post");
    match command().try_get_matches_from(&arguments).and_then(|matches| Step::from_arg_matches(&matches)) {
        Err(error) if is_post && error.use_stderr() => {
            runner.warning(&format!("{}. The session is closed all the same, without a comment.", gist(&error)));
            Ok(Step::Post(Telling::default()))
        }
        read => read,
    }
}

/// Says what was wrong with the command line or an input; or shows the help that somebody asked for.
pub fn misread(error: &Error, runner: &Runner) -> ExitCode {
    if error.use_stderr() {
        runner.error(&gist(error));
        return ExitCode::from(WRONG_USAGE);
    }
    // Nobody is left to be told where this fails.
    let _ = error.print();
    ExitCode::SUCCESS
}

/// The step's own names, where an input that the workflow leaves empty is as good as none: the runner hands it over as an empty variable.
fn command() -> Command {
    Step::command().mut_subcommands(|step| step.mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg }))
}

fn is_empty(arg: &Arg) -> bool {
    arg.get_env().and_then(env::var_os).is_some_and(|value| value.to_string_lossy().trim().is_empty())
}

/// The first paragraph, in one line.
fn gist(error: &Error) -> String {
    let text = error.to_string();
    let paragraph = text.trim_start_matches("error: ").lines().take_while(|line| !line.trim().is_empty());
    named_as_inputs(&paragraph.map(str::trim).collect::<Vec<_>>().join(" "))
}

/// What a workflow calls an input, for what is an option to this program: `'--wait <WAIT>'` is the input `wait`.
fn named_as_inputs(text: &str) -> String {
    let Some((before, rest)) = text.split_once("'--") else { return text.to_owned() };
    let Some((option, after)) = rest.split_once('\'') else { return text.to_owned() };
    let name = option.split(' ').next().unwrap_or(option);
    format!("{before}the input `{name}`{}", named_as_inputs(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_hold_together() {
        command().debug_assert();
    }

    #[test]
    fn a_mistake_fails_the_main_step_and_never_the_post_step() {
        let step = |words: &[&str]| read(["entryguard-action"].iter().chain(words).map(OsString::from), &Runner::default());
        assert!(matches!(step(&["main", "--comment", "true"]), Ok(Step::Main(inputs)) if inputs.telling.comment));
        assert!(matches!(step(&["post", "--comment", "true"]), Ok(Step::Post(telling)) if telling.comment));
        for wrong in ["--comment=maybe", "--nonsense"] {
            assert!(matches!(step(&["post", wrong]), Ok(Step::Post(telling)) if !telling.comment), "{wrong}");
            assert!(step(&["main", wrong]).is_err(), "{wrong}");
        }
        let wrong = step(&["main", "--timeout", "soon"]).err().map(|error| gist(&error)).unwrap_or_default();
        assert!(wrong.starts_with("invalid value 'soon' for the input `timeout`: ") && !wrong.contains('\n'), "{wrong}");
        let wrong = step(&["main", "--fail-on-partial", "yes"]).err().map(|error| gist(&error)).unwrap_or_default();
        assert_eq!(wrong, "invalid value 'yes' for the input `fail-on-partial`: write true or false");
    }
}
