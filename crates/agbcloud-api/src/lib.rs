#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
mod decode;
pub mod extensions;
mod generated;
#[cfg(feature = "client")]
mod hooks;
mod lenient;
#[cfg(feature = "client")]
mod request_hook;
pub mod rules;
mod signed_url;

#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use decode::{BodyFault, MAX_BODY_BYTES, decode};
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use generated::client::{
    ByteStream, Client, ClientInfo, Error, ResponseValue, builder, prelude,
};
pub use generated::types;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use hooks::with_request_timeout;
#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
pub use request_hook::RequestHook;
pub use signed_url::SignedUrl;
