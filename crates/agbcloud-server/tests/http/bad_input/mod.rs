//! Every kind of bad input, with its status and its code, beside input that is good.

mod calls;
mod pages;
mod values;
