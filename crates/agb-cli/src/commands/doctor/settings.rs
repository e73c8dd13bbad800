//! The checks of the config file and of `.env`.

use std::path::Path;

use super::{Report, Session};
use crate::{
    connection::{self, Dotenv, Profile, Profiles},
    failure::Failure,
    output::counted,
};

/// Checks the config file. Returns the profile, or an empty one if none is used; `None` if it can't be used.
pub(super) fn check_profile(
    session: &Session,
    report: &mut Report,
) -> Result<Option<Profile>, Failure> {
    const CHECK: &str = "profile";
    let is_needed = session.connection.needs_profile();
    let unused = || (!is_needed).then(Profile::default);
    let path = connection::config_file()?;
    let profiles = match Profiles::read(&path) {
        Ok(profiles) => profiles,
        Err(failure) => {
            report.fail(CHECK, failure)?;
            return Ok(unused());
        }
    };
    let name = session.connection.profile_name();
    let problems = profiles.as_ref().map_or(&[][..], Profiles::problems);
    for problem in problems {
        report.fail(CHECK, problem.failure(&path))?;
    }
    if !is_needed {
        if problems.is_empty() {
            report.skip(
                CHECK,
                "not used: the environment has the endpoint and the key",
            )?;
        }
        return Ok(unused());
    }
    match session.connection.read_profile() {
        Ok(profile) => {
            if problems.is_empty() {
                report.pass(CHECK, describe(name, profiles.as_ref(), &path))?;
            }
            Ok(Some(profile))
        }
        // Shown above.
        Err(_) if problems.iter().any(|problem| problem.affects(name)) => Ok(None),
        Err(failure) => {
            report.fail(CHECK, failure)?;
            Ok(None)
        }
    }
}

fn describe(name: &str, profiles: Option<&Profiles>, path: &Path) -> String {
    let path = path.display();
    match profiles {
        None => format!("no profiles ({path} does not exist)"),
        Some(profiles) if profiles.get(name).is_none() => format!("no profile {name} in {path}"),
        Some(_) => format!("{name} of {path}"),
    }
}

/// Checks the file `.env` in the working directory.
pub(super) fn check_dotenv(session: &Session, report: &mut Report) -> Result<(), Failure> {
    const CHECK: &str = ".env";
    if !session.connection.reads_dotenv() {
        return report.skip(CHECK, "not read (--no-dotenv or AGB_NO_DOTENV)");
    }
    let dotenv = match Dotenv::read() {
        Ok(Some(dotenv)) => dotenv,
        Ok(None) => return report.skip(CHECK, "no .env in this folder"),
        Err(error) => return report.fail(CHECK, Failure::with_cause("can't read .env", error)),
    };
    for problem in dotenv.problems() {
        report.fail(CHECK, problem.failure())?;
    }
    if dotenv.problems().is_empty() {
        report.pass(CHECK, counted(dotenv.settings(), "setting"))?;
    }
    Ok(())
}
