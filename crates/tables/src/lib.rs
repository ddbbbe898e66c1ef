//! The read model's contract: what a table is, and every table, declared once.
//!
//! Pure: this crate knows no store and no fold. A new read model begins with a
//! declaration here; the stores serve whatever is declared.

pub mod analysis;
pub mod bookkeeping;
pub mod columns;
pub mod key;
pub mod likes;
pub mod posts;
pub mod shape;
pub mod table;

pub use analysis::{AuthorAnalysis, PostAnalysis};
pub use bookkeeping::{Attempts, Builds, Frontiers, ProjectionBuilds};
pub use columns::{Column, ColumnType, columns};
pub use key::{Key, Part};
pub use likes::PostLikes;
pub use posts::{Life, PostEvents, Posts, PostsByAuthor, Reason, Receipts};
pub use shape::{TableShape, every_table};
pub use table::{Build, Change, Record, Stored, Table, weight};
