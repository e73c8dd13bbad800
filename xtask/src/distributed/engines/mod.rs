//! The engines of the tests: PostgreSQL, PgBouncer, s3s-fs and Garage, each an own instance on free ports.

mod garage;
mod install;
mod pgbouncer;
mod postgres;
mod process;
mod s3_client;
mod s3s;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

pub(crate) use garage::Garage;
use install::Program;
pub(crate) use pgbouncer::PgBouncer;
use postgres::Postgres;
pub(crate) use postgres::{DATABASE, ROLE, Server, url};
pub(crate) use process::{Account, Process, descendants, free_port, output};
pub(crate) use s3_client::S3Client;
pub(crate) use s3s::{BUCKET, S3s};

use crate::failure::Failure;
use crate::temporary;

/// Installs PostgreSQL and s3s-fs, unless they are installed.
pub(crate) fn install(root: &Path) -> Result<(), Failure> {
    for program in [Program::Postgres, Program::S3sFs] {
        program.find_or_install(root)?;
    }
    Ok(())
}

/// Starts engines. Their data is in a temporary folder, which is deleted on drop: drop the engines before.
pub(crate) struct Engines {
    root: PathBuf,
    account: Account,
    folder: TempDir,
    /// Number of folders that were created.
    instances: u32,
}

impl Engines {
    /// `root` is the root of the repository.
    pub(crate) fn new(root: &Path) -> Result<Self, Failure> {
        let account = Account::choose()?;
        let folder = temporary::folder("engines")?;
        account.own(folder.path())?;
        Ok(Self {
            root: root.to_owned(),
            account,
            folder,
            instances: 0,
        })
    }

    /// Starts a PostgreSQL server.
    pub(crate) fn postgres(&mut self) -> Result<Server, Failure> {
        let postgres = Postgres {
            program: Program::Postgres.find_or_install(&self.root)?,
            account: self.account.clone(),
            folder: self.instance("postgres")?,
        };
        postgres.start("primary")
    }

    /// Starts PgBouncer in front of a server on this port.
    pub(crate) fn pgbouncer(&mut self, server: u16) -> Result<PgBouncer, Failure> {
        let program = Program::PgBouncer.find_or_install(&self.root)?;
        let folder = self.instance("pgbouncer")?;
        PgBouncer::start(&program, &self.account, &folder, server)
    }

    /// Starts s3s-fs with an empty bucket.
    pub(crate) fn s3s(&mut self) -> Result<S3s, Failure> {
        let (program, folder) = self.installed(Program::S3sFs, "s3s")?;
        S3s::start(&program, &self.account, &folder)
    }

    /// Starts s3s-fs, built with optimization, with an empty bucket.
    pub(crate) fn optimized_s3s(&mut self) -> Result<S3s, Failure> {
        let found = Program::S3sFs.find_or_install_optimized(&self.root)?;
        let folder = self.instance("s3s")?;
        let program = self.account.executable(&found, &folder)?;
        S3s::start(&program, &self.account, &folder)
    }

    /// Starts three nodes of Garage with an empty bucket.
    pub(crate) fn garage(&mut self) -> Result<Garage, Failure> {
        let (program, folder) = self.installed(Program::Garage, "garage")?;
        Garage::start(&program, &self.account, &folder)
    }

    /// A program that cargo installed, and a folder for its data.
    fn installed(&mut self, program: Program, name: &str) -> Result<(PathBuf, PathBuf), Failure> {
        let found = program.find_or_install(&self.root)?;
        let folder = self.instance(name)?;
        let program = self.account.executable(&found, &folder)?;
        Ok((program, folder))
    }

    /// Returns a path of a program that the user of the engines can execute.
    pub(crate) fn executable(&mut self, program: &Path) -> Result<PathBuf, Failure> {
        let folder = self.instance("program")?;
        self.account.executable(program, &folder)
    }

    /// The user of the engines.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Creates a folder for one instance.
    pub(crate) fn instance(&mut self, name: &str) -> Result<PathBuf, Failure> {
        self.instances += 1;
        let folder = self
            .folder
            .path()
            .join(format!("{name}-{}", self.instances));
        self.account.create_folder(&folder)?;
        Ok(folder)
    }
}
