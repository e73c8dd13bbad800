//! Mounts a share with davfs2, where that is possible: it requires root and FUSE.
//!
//! Files are read and written by their paths. They are not listed: davfs2 1.6 can't list any folder, of any server, on
//! recent kernels ("Invalid argument").

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{output_of, output_or_failure};
use crate::failure::Failure;

/// A file of a size that is written in several requests of FUSE.
const SIZE: usize = 3_000_000;

/// A mounted share. It is unmounted on drop.
struct Mount(PathBuf);

/// Mounts the share, writes and reads, and unmounts it. Returns why that is not possible here, if it is not.
pub(super) fn run(url: &str, password: &str, folder: &Path) -> Result<Option<String>, Failure> {
    if !Path::new("/dev/fuse").exists() {
        return Ok(Some("there is no /dev/fuse".to_owned()));
    }
    let mut id = Command::new("id");
    id.arg("-u");
    if output_of(id, "id")?.1.trim() != "0" {
        return Ok(Some("only root can mount".to_owned()));
    }
    if !Path::new("/sbin/mount.davfs").exists() {
        return Ok(Some("davfs2 is not installed".to_owned()));
    }
    let point = folder.join("mount");
    fs::create_dir_all(&point).map_err(|error| failure(error.to_string()))?;
    let mount = mount(url, password, &point)?;
    let content: Vec<u8> = (0..SIZE).map(|byte| (byte % 251) as u8).collect();
    let sub = point.join("folder of davfs2");
    let file = sub.join("a #1?%.bin");
    let written = fs::create_dir(&sub).and_then(|()| fs::write(&file, &content));
    written.map_err(|error| failure(error.to_string()))?;
    // Unmounting uploads what was written.
    mount.unmount()?;
    let mount = self::mount(url, password, &point)?;
    let read = fs::read(&file).map_err(|error| failure(error.to_string()))?;
    if read != content {
        return Err(failure("a file that was written differs".to_owned()));
    }
    let removed = fs::remove_file(&file).and_then(|()| fs::remove_dir(&sub));
    removed.map_err(|error| failure(error.to_string()))?;
    mount.unmount()?;
    println!(
        "davfs2: mounted, a file of {SIZE} bytes written, read after a new mount, and deleted"
    );
    Ok(None)
}

fn mount(url: &str, password: &str, point: &Path) -> Result<Mount, Failure> {
    let mut process = Command::new("mount")
        .args(["-t", "davfs", url])
        .arg(point)
        .args(["-o", "rw"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failure(error.to_string()))?;
    if let Some(mut stdin) = process.stdin.take() {
        let written = writeln!(stdin, "agb\n{password}");
        written.map_err(|error| failure(error.to_string()))?;
    }
    // The daemon inherits stderr, so that its end is not that of the command.
    drop(process.stderr.take());
    let status = process.wait().map_err(|error| failure(error.to_string()))?;
    match status.success() {
        true => Ok(Mount(point.to_owned())),
        false => Err(failure(format!("mount: {status}"))),
    }
}

impl Mount {
    fn unmount(self) -> Result<(), Failure> {
        let mut command = Command::new("umount");
        command.arg(&self.0);
        let unmounted = output_or_failure(command, "umount", failure);
        std::mem::forget(self);
        unmounted.map(|_| ())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Detaches it even if it is in use, since the check has failed already.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn failure(problem: String) -> Failure {
    Failure::new(
        format!("davfs2 does not work with agb dav: {problem}"),
        "run `agb dav` and `mount -t davfs` by hand",
    )
}
