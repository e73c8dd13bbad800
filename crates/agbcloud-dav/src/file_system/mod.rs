//! The files of a context as a file system of `dav-server`.

mod content;
mod copy;
mod delete;
mod list;
mod lookup;
mod rename;
mod write;

use std::{pin::Pin, sync::Arc};

use agbcloud::{Files, RemotePath};
use dav_server::{
    DavMethod,
    davpath::DavPath,
    fs::{
        DavDirEntry, DavFile, DavMetaData, DavProp, FsError, FsFuture, FsResult, FsStream,
        GuardedFileSystem, OpenOptions, ReadDirMeta,
    },
};
use futures_util::FutureExt;
use http::StatusCode;

use crate::{
    failure::Failure,
    location::{InvalidLocation, Location},
    locks::ExpiringLocks,
    request::Request,
    session::Session,
};

/// The files of a context, and what the server keeps in memory about them.
#[derive(Clone)]
pub(crate) struct ContextFileSystem {
    pub(crate) files: Files,
    pub(crate) session: Arc<Session>,
    pub(crate) locks: ExpiringLocks,
}

impl ContextFileSystem {
    pub(crate) fn new(files: Files, locks: ExpiringLocks) -> Self {
        Self {
            files,
            session: Arc::default(),
            locks,
        }
    }
}

/// The location of a write. An invalid one is the failure of the request.
fn writable(path: &DavPath, request: &Request) -> FsResult<Location> {
    request.check()?;
    let location = Location::parse(path);
    location.map_err(|invalid| request.fail(Failure::of_location(invalid)))
}

/// The location of a file to write.
fn writable_file<'a>(location: &'a Location, request: &Request) -> FsResult<&'a RemotePath> {
    location.file().ok_or_else(|| root_is_protected(request))
}

fn root_is_protected(request: &Request) -> FsError {
    let message = "the root folder can't be deleted, moved or replaced";
    request.fail_with(StatusCode::FORBIDDEN, message)
}

impl GuardedFileSystem<Request> for ContextFileSystem {
    fn open<'a>(
        &'a self,
        path: &'a DavPath,
        options: OpenOptions,
        request: &'a Request,
    ) -> FsFuture<'a, Box<dyn DavFile>> {
        async move {
            // The server answers GET and HEAD itself.
            if !options.write {
                return Err(FsError::NotImplemented);
            }
            let location = writable(path, request)?;
            self.open_for_writing(path, &location, request).await
        }
        .boxed()
    }

    fn read_dir<'a>(
        &'a self,
        path: &'a DavPath,
        _: ReadDirMeta,
        request: &'a Request,
    ) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        async move {
            match request.method {
                // `remove_dir` and `create_dir` process the whole tree.
                DavMethod::Delete | DavMethod::Move | DavMethod::Copy => {
                    let none: FsStream<Box<dyn DavDirEntry>> =
                        Box::pin(futures_util::stream::empty());
                    Ok(none)
                }
                _ => {
                    request.check()?;
                    let location = Location::parse(path).map_err(|_| FsError::NotFound)?;
                    Ok(self.list_folder(&location, request))
                }
            }
        }
        .boxed()
    }

    fn metadata<'a>(
        &'a self,
        path: &'a DavPath,
        request: &'a Request,
    ) -> FsFuture<'a, Box<dyn DavMetaData>> {
        async move {
            request.check()?;
            let location = match Location::parse(path) {
                Ok(location) => location,
                Err(InvalidLocation::TooLong | InvalidLocation::InvalidName) => {
                    return Err(FsError::NotFound);
                }
            };
            let found = self.lookup(&location, request).await?;
            request.saw(&location, found.as_ref());
            let mut metadata = found.ok_or(FsError::NotFound)?;
            metadata.etag_as_property = request.method == DavMethod::PropFind;
            let metadata: Box<dyn DavMetaData> = Box::new(metadata);
            Ok(metadata)
        }
        .boxed()
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath, request: &'a Request) -> FsFuture<'a, ()> {
        async move {
            let location = writable(path, request)?;
            match request.method {
                DavMethod::Copy => self.copy_folder(&request.target, &location, request).await,
                _ => self.create_folder(&location, request).await,
            }
        }
        .boxed()
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath, request: &'a Request) -> FsFuture<'a, ()> {
        async move {
            let location = writable(path, request)?;
            match request.method {
                DavMethod::Delete if request.is_shallow => Err(request.fail_with(
                    StatusCode::BAD_REQUEST,
                    "a folder is deleted with everything below: omit the header depth",
                )),
                DavMethod::Delete => self.delete_folder(&location, request).await,
                // The target of a copy: what was not overwritten is deleted after the copy.
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath, request: &'a Request) -> FsFuture<'a, ()> {
        async move {
            let location = writable(path, request)?;
            match request.method {
                DavMethod::Delete => self.delete_file(&location, request).await,
                // The target of a copy, which replaces it.
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn rename<'a>(
        &'a self,
        from: &'a DavPath,
        to: &'a DavPath,
        request: &'a Request,
    ) -> FsFuture<'a, ()> {
        async move {
            let (from, to) = (writable(from, request)?, writable(to, request)?);
            self.rename(&from, &to, request).await
        }
        .boxed()
    }

    fn copy<'a>(
        &'a self,
        from: &'a DavPath,
        to: &'a DavPath,
        request: &'a Request,
    ) -> FsFuture<'a, ()> {
        async move {
            let (from, to) = (writable(from, request)?, writable(to, request)?);
            self.copy_file(&from, &to, request).await
        }
        .boxed()
    }

    fn have_props<'a>(
        &'a self,
        _: &'a DavPath,
        _: &'a Request,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        std::future::ready(true).boxed()
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        patch: Vec<(bool, DavProp)>,
        request: &'a Request,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        async move {
            let location = writable(path, request)?;
            Ok(self.session.properties.patch(location.as_str(), patch))
        }
        .boxed()
    }

    fn get_props<'a>(
        &'a self,
        path: &'a DavPath,
        with_values: bool,
        _: &'a Request,
    ) -> FsFuture<'a, Vec<DavProp>> {
        async move {
            let location = Location::parse(path).map_err(|_| FsError::NotFound)?;
            Ok(self.session.properties.list(location.as_str(), with_values))
        }
        .boxed()
    }

    fn get_prop<'a>(
        &'a self,
        path: &'a DavPath,
        property: DavProp,
        _: &'a Request,
    ) -> FsFuture<'a, Vec<u8>> {
        async move {
            let location = Location::parse(path).map_err(|_| FsError::NotFound)?;
            let found = self.session.properties.get(location.as_str(), &property);
            found.ok_or(FsError::NotFound)
        }
        .boxed()
    }
}
