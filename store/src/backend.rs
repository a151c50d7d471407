//! What the writer needs of a database: to load a working set and to write what a batch changed in it, inside one
//! transaction. Nothing of SQL or of one database is in it.
//!
//! ```text
//!  begin ─▶ load(keys) ─▶ decide ─┬─▶ write ─▶ commit ─▶ answers ─▶ after_answers
//!             ▲                   │
//!             └── more is missing ┘
//! ```

use std::collections::BTreeSet;

use domain::{Numbers, WantedKey, WorkingSet};

use crate::StoreError;

/// Why a batch is not in the database.
#[derive(Debug)]
pub(crate) enum Uncommitted {
    /// Nothing of the batch happened, and the transaction is over.
    Lost(StoreError),
    /// Nobody can tell whether the batch happened: the process must end.
    Unsure(StoreError),
}

/// A database, on the writer's side. One batch at a time: `begin`, any number of `load`, then either `write` and
/// `commit`, or `rollback`. After an error of any but `commit` the writer calls `rollback`.
pub(crate) trait Backend: Send + 'static {
    /// Begins the transaction; the last numbers that were ever given out, whether what they named is still there or not.
    fn begin(&mut self) -> Result<Numbers, StoreError>;

    /// Loads those keys into the set; see [`domain::Key`] for what each means. Afterwards the set knows every one of them:
    /// a record that is not there is loaded as `None`, a set of which there is nothing is covered, a sum of nothing is
    /// set to zero (or to no locations). Reads what the transaction sees, which is what was there when it began.
    fn load(&mut self, keys: &BTreeSet<WantedKey>, set: &mut WorkingSet) -> Result<(), StoreError>;

    /// Writes everything that the batch changed: `changes()` of every kind of record of every shop, of `shops` and of
    /// `revocations`, and all of `written()`, in this order: records; the log and its index of rooms; what is written in
    /// bulk. True when a bulk write is done in slices and has more
    /// to do: then the batch is that operation alone, and the writer gives it again in a transaction of its own.
    fn write(&mut self, set: &WorkingSet) -> Result<bool, StoreError>;

    /// Commits what was written.
    fn commit(&mut self) -> Result<(), Uncommitted>;

    /// Ends the transaction, if it has not ended by itself, so that nothing of the batch happened.
    fn rollback(&mut self);

    /// After a batch was answered: for what nobody waits for.
    fn after_answers(&mut self) {}
}
