#![doc = include_str!("guide.md")]

/// Defines a blocking type: the async type of the same name, and the driver that runs its calls. An async type that is
/// awaited gets a method `send` that returns its output (`=> Output`).
macro_rules! blocking_type {
    ($(#[$attribute:meta])* pub struct $name:ident $(<$lifetime:lifetime>)? $(=> $output:ty)?; $($methods:tt)*) => {
        $(#[$attribute])*
        pub struct $name $(<$lifetime>)? {
            inner: crate::$name $(<$lifetime>)?,
            driver: crate::blocking::driver::Driver,
        }

        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            pub(in crate::blocking) fn new(inner: crate::$name $(<$lifetime>)?, driver: crate::blocking::driver::Driver) -> Self {
                Self { inner, driver }
            }
            $(
                /// Sends it and blocks until the result is there.
                ///
                #[doc = concat!("See [`agbcloud::", stringify!($name), "`](crate::", stringify!($name), ").")]
                pub fn send(self) -> crate::Result<$output> {
                    self.driver.run(self.inner)?
                }
            )?
        }

        methods! { $name $(<$lifetime>)?; $($methods)* }
    };
}

/// Defines methods that forward to the async methods of the same name, and link to their documentation.
macro_rules! methods {
    ($name:ident $(<$lifetime:lifetime>)?; $(
        $(#[$attribute:meta])*
        $kind:ident fn $method:ident $(<$($generic:ident: $bound:path),+>)? ($($argument:ident: $type:ty),*) $(-> $output:ty)?;
    )*) => {
        impl $(<$lifetime>)? $name $(<$lifetime>)? {
            $(method! {
                $(#[$attribute])*
                #[doc = ""]
                #[doc = concat!(
                    " See [`", stringify!($name), "::", stringify!($method), "`](crate::", stringify!($name), "::",
                    stringify!($method), ")."
                )]
                $kind fn $method $(<$($generic: $bound),+>)? ($($argument: $type),*) $(-> $output)?;
            })*
        }
    };
}

/// Defines one of these methods, by its kind.
macro_rules! method {
    // Sets an option of a builder.
    ($(#[$attribute:meta])* set fn $method:ident $(<$($generic:ident: $bound:path),+>)? ($($argument:ident: $type:ty),*);) => {
        $(#[$attribute])*
        pub fn $method $(<$($generic: $bound),+>)? (mut self, $($argument: $type),*) -> Self {
            self.inner = self.inner.$method($($argument),*);
            self
        }
    };
    // Makes another blocking type from the async one.
    (
        $(#[$attribute:meta])*
        make fn $method:ident $(<$($generic:ident: $bound:path),+>)? ($($argument:ident: $type:ty),*) -> $output:ty;
    ) => {
        $(#[$attribute])*
        pub fn $method $(<$($generic: $bound),+>)? (&self, $($argument: $type),*) -> $output {
            <$output>::new(self.inner.$method($($argument),*), self.driver.clone())
        }
    };
    // The same, of a builder that is used up.
    ($(#[$attribute:meta])* into fn $method:ident() -> $output:ty;) => {
        $(#[$attribute])*
        pub fn $method(self) -> $output {
            <$output>::new(self.inner.$method(), self.driver)
        }
    };
    // Calls, and blocks until the call is done.
    (
        $(#[$attribute:meta])*
        call fn $method:ident $(<$($generic:ident: $bound:path),+>)? ($($argument:ident: $type:ty),*) -> $output:ty;
    ) => {
        $(#[$attribute])*
        pub fn $method $(<$($generic: $bound),+>)? (&self, $($argument: $type),*) -> crate::Result<$output> {
            self.driver.run(self.inner.$method($($argument),*))?
        }
    };
    // Makes a call that has not been sent.
    (
        $(#[$attribute:meta])*
        request fn $method:ident $(<$($generic:ident: $bound:path),+>)? ($($argument:ident: $type:ty),*) -> $output:ty;
    ) => {
        $(#[$attribute])*
        pub fn $method $(<$($generic: $bound),+>)? (&self, $($argument: $type),*) -> crate::blocking::Request<$output> {
            crate::blocking::Request::new(self.inner.$method($($argument),*), self.driver.clone())
        }
    };
    // The same, of a builder that is used up.
    ($(#[$attribute:meta])* send fn $method:ident() -> $output:ty;) => {
        $(#[$attribute])*
        pub fn $method(self) -> crate::Result<$output> {
            self.driver.run(self.inner.$method())?
        }
    };
}

mod clear;
mod client;
mod contexts;
mod driver;
mod files;
mod iter;
mod offload;
mod remote_file;
mod request;
mod sync;

pub use clear::{Clear, ClearHandle, ClearStatuses, ResumeClear};
pub use client::{Client, ClientBuilder};
pub use contexts::{ContextItems, ContextPages, Contexts, ListContexts, LookupByName};
pub use files::{
    DeleteFile, Download, DownloadTarget, FileItems, FilePages, FileWalk, Files, ListFiles,
    OpenFile, ReadFile, Update, Upload, UploadSource,
};
pub use iter::Iter;
pub use remote_file::RemoteFile;
pub use request::Request;
pub use sync::{DeleteDir, SyncDir, SyncPlan, TwoWaySync};
