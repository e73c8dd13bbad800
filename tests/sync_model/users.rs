//! Edits by users and other programs, and snapshots of all sides.

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    actions::{Action, Mtime},
    engine::remote,
    execution::{Edit, Execution},
    oracle::{Fault, FaultKind},
    versions::{self, File, Snapshot, Tree, Version, content, version_of},
};

impl Execution<'_> {
    /// Executes an edit. Returns the versions with a new path.
    pub(crate) async fn edit(&mut self, action: &Action) -> Vec<Edit> {
        match action {
            Action::Write {
                machine,
                name,
                mtime,
                in_place,
            } => {
                let path = self.machines[*machine].folder().join(name);
                let old = self.local_file(&path);
                let version = self.new_version();
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let time = match (mtime, old) {
                    (Mtime::Same, Some(old)) => Some(old.modified),
                    (Mtime::Epoch, _) => Some(UNIX_EPOCH + Duration::from_secs(1_000_000_000)),
                    _ if self.world.clocks[*machine].ms() == 0 => None,
                    _ => Some(self.world.clocks[*machine].time()),
                };
                let target = if *in_place {
                    path.clone()
                } else {
                    self.machines[*machine].root.path().join("new")
                };
                std::fs::write(&target, content(version)).unwrap();
                if let Some(time) = time {
                    let file = std::fs::File::options().write(true).open(&target).unwrap();
                    file.set_modified(time).unwrap();
                }
                if !in_place {
                    std::fs::rename(&target, &path).unwrap();
                }
                self.oracle.wrote(version, old.map(|old| old.version));
                let new = self.local_file(&path);
                new.map(|new| (Some(*machine), name.clone(), new))
                    .into_iter()
                    .collect()
            }
            Action::Delete { machine, name } => {
                let path = self.machines[*machine].folder().join(name);
                let old = self.local_file(&path);
                if old.is_some() {
                    std::fs::remove_file(path).unwrap();
                    self.oracle.deleted(old.map(|old| old.version));
                }
                Vec::new()
            }
            Action::Rename { machine, from, to } => {
                let folder = self.machines[*machine].folder();
                let (source, target) = (folder.join(from), folder.join(to));
                let (Some(moved), old) = (self.local_file(&source), self.local_file(&target))
                else {
                    return Vec::new();
                };
                std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                std::fs::rename(source, target).unwrap();
                self.oracle.deleted(old.map(|old| old.version));
                vec![(Some(*machine), to.clone(), moved)]
            }
            Action::Swap {
                machine,
                one,
                other,
            } => {
                let root = self.machines[*machine].root.path().join("swapped");
                let folder = self.machines[*machine].folder();
                let paths = [folder.join(one), folder.join(other)];
                let [Some(first), Some(second)] =
                    [self.local_file(&paths[0]), self.local_file(&paths[1])]
                else {
                    return Vec::new();
                };
                std::fs::rename(&paths[0], &root).unwrap();
                std::fs::rename(&paths[1], &paths[0]).unwrap();
                std::fs::rename(&root, &paths[1]).unwrap();
                vec![
                    (Some(*machine), one.clone(), second),
                    (Some(*machine), other.clone(), first),
                ]
            }
            Action::RemotePut { name } => {
                let old = self.remote_version(name).await;
                let version = self.new_version();
                let bytes = content(version).into_bytes();
                self.other.upload(remote(name), bytes).await.unwrap();
                self.oracle.wrote(version, old);
                let modified = self.world.service.time();
                vec![(
                    None,
                    name.clone(),
                    File {
                        version,
                        modified,
                        touched: modified,
                    },
                )]
            }
            Action::RemoteDelete { name } => {
                let old = self.remote_version(name).await;
                if old.is_some() {
                    self.other
                        .delete(remote(name))
                        .missing_ok(true)
                        .await
                        .unwrap();
                    self.oracle.deleted(old);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn new_version(&mut self) -> Version {
        self.next += 1;
        self.next - 1
    }

    fn local_file(&self, path: &Path) -> Option<File> {
        let version = version_of(&std::fs::read(path).ok()?)?;
        let modified = path.metadata().ok()?.modified().ok()?;
        Some(File {
            version,
            modified,
            touched: modified,
        })
    }

    async fn remote_version(&self, name: &str) -> Option<Version> {
        if self.writes == self.world.proxy.interceptor.writes() {
            return self.now.context.get(name).map(|file| file.version);
        }
        let read = self.other.read(remote(name)).await;
        read.ok().and_then(|bytes| version_of(&bytes))
    }

    /// Reads all sides.
    pub(crate) async fn snapshot(&mut self) -> Result<Snapshot, Fault> {
        let torn = |text| Fault {
            kind: FaultKind::Torn,
            text,
        };
        let mut machines = Vec::new();
        for machine in &self.machines {
            machines.push(versions::local(&machine.folder()).map_err(torn)?);
        }
        let writes = self.world.proxy.interceptor.writes();
        if writes == self.writes {
            let context = self.now.context.clone();
            return Ok(Snapshot { context, machines });
        }
        self.writes = writes;
        let mut context = Tree::new();
        let mut walk = self.other.list().folder("/w").walk();
        while let Some(entry) = walk.next().await {
            let entry = entry.unwrap();
            if entry.is_folder() {
                continue;
            }
            let bytes = self.read(&entry.path).await;
            let version =
                version_of(&bytes).ok_or_else(|| torn(format!("{} is torn", entry.path)))?;
            let modified = entry
                .modified_at
                .and_then(|time| time.to_system_time())
                .unwrap();
            let path = entry.path.strip_prefix("/w/").unwrap().to_owned();
            context.insert(
                path,
                File {
                    version,
                    modified,
                    touched: modified,
                },
            );
        }
        Ok(Snapshot { context, machines })
    }

    /// Reads a file of the context. A URL is valid for every version of the file.
    async fn read(&mut self, path: &str) -> Vec<u8> {
        if let Some(url) = self.urls.get(path) {
            let read = self.other.read(path).presigned_url(url.clone()).await;
            if let Ok(bytes) = read {
                return bytes.to_vec();
            }
        }
        let url = self.other.download_url(path).await.unwrap();
        self.urls.insert(path.to_owned(), url);
        self.other.read(path).await.unwrap().to_vec()
    }
}
