//! Transfers with readers and writers of std, including faulty ones.

use std::{
    error::Error as _,
    io::{self, Cursor, Read, Write},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use agbcloud::{
    Error, ErrorKind, Result, Uploaded,
    blocking::{DownloadTarget, Files, UploadSource},
};

use crate::support::{World, ends};

/// Several chunks and part of one.
const LENGTH: usize = 1_000_000;

fn send(files: &Files, reader: impl Read + Send + 'static, length: u64) -> Result<Uploaded> {
    let upload = files.upload("/a", UploadSource::reader(reader, length));
    ends(move || upload.send())
}

/// The error of a reader or a writer.
fn cause(error: &Error) -> &io::Error {
    assert_eq!(error.kind(), ErrorKind::CallerStream, "{error:?}");
    error.source().unwrap().downcast_ref().unwrap()
}

fn pattern() -> Vec<u8> {
    (0..LENGTH).map(|number| (number % 251) as u8).collect()
}

#[test]
fn a_reader_is_uploaded_and_downloaded_to_a_writer() {
    let world = World::new();
    let files = world.files();
    let sent = send(&files, Cursor::new(pattern()), LENGTH as u64).unwrap();
    assert_eq!(sent.bytes, LENGTH as u64);
    let (writer, received) = Writer::new(Fault::None);
    let fetched = files.download("/a", writer).send().unwrap();
    assert_eq!(fetched.bytes, LENGTH as u64);
    assert!(*received.lock().unwrap() == pattern());
}

#[test]
fn a_longer_reader_fails_and_a_part_of_it_is_uploaded() {
    let world = World::new();
    let files = world.files();
    let error = send(&files, io::repeat(7), 300_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallerStream, "{error:?}");
    send(&files, io::repeat(7).take(300_000), 300_000).unwrap();
    assert!(files.read("/a").send().unwrap() == vec![7; 300_000]);
}

#[test]
fn a_reader_that_ends_early_fails_or_panics_leaves_the_file_unchanged() {
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("on purpose")
        }
    }
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "permission denied by the disk",
            ))
        }
    }

    let world = World::new();
    let files = world.files();
    files.upload("/a", &b"old"[..]).send().unwrap();
    let start = || Cursor::new(pattern());
    let all = 2 * LENGTH as u64;

    let early = send(&files, start(), all).unwrap_err();
    assert_eq!(cause(&early).kind(), io::ErrorKind::UnexpectedEof);
    let failed = send(&files, start().chain(Fails), all).unwrap_err();
    assert_eq!(cause(&failed).kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(cause(&failed).to_string(), "permission denied by the disk");
    let panicked = send(&files, start().chain(Panics), all).unwrap_err();
    assert!(
        cause(&panicked).to_string().contains("panic"),
        "{panicked:?}"
    );
    let panicked = send(&files, Panics, all).unwrap_err();
    assert!(
        cause(&panicked).to_string().contains("panic"),
        "{panicked:?}"
    );

    assert_eq!(files.read("/a").send().unwrap(), b"old"[..]);
}

#[test]
fn an_error_has_the_failure_of_the_writer_as_its_source() {
    let world = World::new();
    let files = world.files();
    files.upload("/a", pattern()).send().unwrap();
    for fault in [Fault::Late, Fault::Flush] {
        let (writer, received) = Writer::new(fault);
        let download = files.download("/a", writer);
        let error = ends(move || download.send()).unwrap_err();
        assert!(cause(&error).to_string().contains("disk full"), "{error:?}");
        assert!(pattern().starts_with(&received.lock().unwrap()));
    }
    // The writer runs on this thread.
    let (writer, _) = Writer::new(Fault::Panic);
    let download = files.download("/a", writer);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| download.send()));
    assert!(caught.is_err());
    assert_eq!(files.read("/a").send().unwrap().len(), LENGTH);
}

#[test]
fn progress_is_reported_on_the_calling_thread_for_downloads_and_on_the_clients_thread_for_uploads()
{
    let world = World::new();
    let files = world.files();
    let (sender, threads) = mpsc::channel();
    let report = move |progress: agbcloud::Progress| {
        let thread = thread::current();
        let report = (
            progress.bytes,
            thread.id(),
            thread.name().map(str::to_owned),
        );
        sender.send(report).unwrap();
    };
    files
        .upload("/a", pattern())
        .on_progress(report.clone())
        .send()
        .unwrap();
    let (bytes, _, name) = threads.try_iter().last().unwrap();
    assert_eq!((bytes, name.as_deref()), (LENGTH as u64, Some("agbcloud")));

    let (writer, _) = Writer::new(Fault::None);
    files
        .download("/a", writer)
        .on_progress(report)
        .send()
        .unwrap();
    let (bytes, thread, _) = threads.try_iter().last().unwrap();
    assert_eq!((bytes, thread), (LENGTH as u64, thread::current().id()));
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Fails after the first chunks.
    Late,
    Flush,
    Panic,
}

/// Keeps written bytes when they are flushed, until its fault occurs.
struct Writer {
    buffer: Vec<u8>,
    flushed: Arc<Mutex<Vec<u8>>>,
    fault: Fault,
}

impl Writer {
    #[expect(clippy::new_ret_no_self, reason = "returns the target of a download")]
    fn new(fault: Fault) -> (DownloadTarget<'static>, Arc<Mutex<Vec<u8>>>) {
        let flushed = Arc::new(Mutex::new(Vec::new()));
        let writer = Self {
            buffer: Vec::new(),
            flushed: flushed.clone(),
            fault,
        };
        (DownloadTarget::writer(writer), flushed)
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(self.fault != Fault::Panic, "on purpose");
        if self.fault == Fault::Late && self.buffer.len() > LENGTH / 2 {
            return Err(io::Error::other("disk full"));
        }
        self.buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.fault == Fault::Flush {
            return Err(io::Error::other("disk full"));
        }
        self.flushed.lock().unwrap().append(&mut self.buffer);
        Ok(())
    }
}

#[test]
fn a_folder_is_uploaded_downloaded_and_deleted() {
    let world = World::new();
    let files = world.files();
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    std::fs::create_dir_all(here.join("deep")).unwrap();
    for (name, text) in [("a.txt", "one"), ("deep/b.txt", "two"), ("c.tmp", "three")] {
        std::fs::write(here.join(name), text).unwrap();
    }
    let plan = files
        .upload_dir(&here, "/data")
        .exclude("*.tmp")
        .plan()
        .unwrap();
    assert_eq!((plan.changes().len(), plan.bytes()), (2, 6));
    assert_eq!(plan.run().unwrap().transferred, 2);
    let fetched = files.download_dir("/data", &there).send().unwrap();
    assert_eq!((fetched.transferred, fetched.failed), (2, 0));
    assert_eq!(std::fs::read(there.join("deep/b.txt")).unwrap(), b"two");
    assert_eq!(
        files.read("/data/a.txt").range(1..).send().unwrap(),
        b"ne"[..]
    );
    let plan = files.delete_dir("/data").exclude("b.*").plan().unwrap();
    assert_eq!(plan.run().unwrap().deleted, 1);
    assert_eq!(files.delete_dir("/").send().unwrap().deleted, 1);
}

#[test]
fn an_open_file_is_a_reader() {
    let world = World::new();
    let files = world.files();
    send(&files, Cursor::new(pattern()), LENGTH as u64).unwrap();
    let mut file = files.open("/a").send().unwrap();
    assert_eq!(file.size(), Some(LENGTH as u64));
    let mut start = [0; 3];
    file.read_exact(&mut start).unwrap();
    assert_eq!(start, [0, 1, 2]);
    let mut rest = Vec::new();
    io::copy(&mut file, &mut rest).unwrap();
    assert!(rest == pattern()[3..]);
    let end = files.open("/a").range(LENGTH as u64 - 2..).send().unwrap();
    assert_eq!(end.content_length(), Some(2));
    assert_eq!(end.bytes().unwrap(), pattern()[LENGTH - 2..]);
    let missing = files.open("/none").send().unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn a_reader_of_unknown_length_is_uploaded() {
    let world = World::new();
    let files = world.files();
    let source = UploadSource::reader_to_end(Cursor::new(pattern()));
    let sent = files.upload("/a", source).send().unwrap();
    assert_eq!(sent.bytes, LENGTH as u64);
    assert!(files.read("/a").send().unwrap() == pattern());
}

#[test]
fn a_borrowed_vector_receives_the_content() {
    let world = World::new();
    let files = world.files();
    files.upload("/a", pattern()).send().unwrap();
    let mut memory = Vec::new();
    files.download("/a", &mut memory).send().unwrap();
    assert!(memory == pattern());
    let mut count = 0;
    let target = DownloadTarget::chunks(|chunk| count += chunk.len());
    files.download("/a", target).send().unwrap();
    assert_eq!(count, LENGTH);
}
