//! Stalls: work that waits because the store failed. One is logged when it begins and when it ends, not at every try:
//! on a full disk there is one every second, for as long as that lasts.

use store::StoreError;

/// One kind of work and whether it waits for the store.
pub(crate) struct Stall {
    work: String,
    lasts: bool,
}

impl Stall {
    /// Work by its plural, for a sentence of the log.
    pub(crate) fn of(work: impl Into<String>) -> Self {
        Self {
            work: work.into(),
            lasts: false,
        }
    }

    /// Takes in how a try went.
    pub(crate) fn note<T>(&mut self, tried: &Result<T, StoreError>) {
        match tried {
            Err(error) if !self.lasts => {
                tracing::error!(%error, "{} wait: the store failed; trying again every second", self.work);
            }
            Ok(_) if self.lasts => tracing::info!("{} go on: the store works again", self.work),
            _ => {}
        }
        self.lasts = tried.is_err();
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_lasts_is_logged_when_it_begins_and_when_it_ends() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let mut stall = Stall::of("deliveries");
            let full = || Err(StoreError::Failed("the disk is full".to_owned()));
            for tried in [Ok(()), full(), full(), full(), Ok(()), Ok(()), full()] {
                stall.note(&tried);
            }
        });
        let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let logged: Vec<bool> = logged
            .lines()
            .map(|line| line.contains("the disk is full"))
            .collect();
        assert_eq!(logged, [true, false, true]);
    }
}
