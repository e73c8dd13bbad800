//! Invalid input with its status and code, beside valid input.

mod calls;
mod pages;
mod values;
