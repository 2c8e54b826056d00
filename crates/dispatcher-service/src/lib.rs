//! Placeholder head.
pub mod config;
