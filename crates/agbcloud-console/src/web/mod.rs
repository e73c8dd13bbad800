//! What all pages share: the layout, forms, URLs, failures, and the checks of requests.

pub(crate) mod extract;
pub(crate) mod failure;
pub(crate) mod form;
pub(crate) mod guard;
pub(crate) mod layout;
pub(crate) mod links;
pub(crate) mod login;
pub(crate) mod visit;
