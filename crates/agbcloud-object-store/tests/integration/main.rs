//! Tests of the store against a service that they start.

mod conditions;
mod reads;
mod suite;
mod support;
mod writes;
