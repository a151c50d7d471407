//! A panel that stays at the top of a terminal while lines run below it.

use std::fmt::Write as _;
use std::io::Write as _;

use tokio::signal::unix::{SignalKind, signal};

use super::terminal::Terminal;
use crate::config::Environment;

/// Fewest rows below the panel; on a smaller screen it scrolls away with everything else.
const ROWS_BELOW_MIN: usize = 4;

/// The panel, and the rest of the screen. When dropped, the whole screen scrolls again.
pub(super) struct Screen {
    terminal: Terminal,
    panel: Vec<String>,
    can_move: bool,
}

impl Screen {
    pub(super) fn new(environment: &Environment, terminal: Terminal, panel: Vec<String>) -> Self {
        Self {
            can_move: terminal.moves(environment),
            terminal,
            panel,
        }
    }

    /// Shows the panel and keeps it there, where the terminal can do that and is large enough; else prints it.
    pub(super) fn draw(&self) -> anyhow::Result<()> {
        let mut text = String::new();
        let size = self.terminal.size().filter(|_| self.can_move);
        if size.is_some() {
            // From a clean screen on, so that its rows can be counted.
            text.push_str("\u{1b}[r\u{1b}[2J\u{1b}[H");
        }
        for line in &self.panel {
            text.push_str(line);
            text.push('\n');
        }
        if let Some((rows, columns)) = size {
            let taken = rows_of(&self.panel, columns);
            if taken + ROWS_BELOW_MIN <= rows {
                // DECSTBM: only the rows from here on scroll. It moves the cursor, which is put below the panel again.
                let first = taken + 1;
                // Writing to a string cannot fail.
                let _ = write!(text, "\u{1b}[{first};{rows}r\u{1b}[{first};1H");
            }
        }
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// Draws again whenever the terminal's size changes, which undoes what was set.
    pub(super) async fn redraw_when_resized(&self) -> anyhow::Result<()> {
        let mut resized = signal(SignalKind::window_change())?;
        while resized.recv().await.is_some() {
            if self.can_move {
                self.draw()?;
            }
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some((rows, _)) = self.terminal.size().filter(|_| self.can_move) {
            let mut out = std::io::stdout().lock();
            // Nothing better to do when the terminal is gone.
            let _ = writeln!(out, "\u{1b}[r\u{1b}[{rows};1H").and_then(|()| out.flush());
        }
    }
}

/// How many rows the lines take on a screen of that width.
fn rows_of(lines: &[String], columns: usize) -> usize {
    lines
        .iter()
        .map(|line| {
            console::measure_text_width(line)
                .div_ceil(columns.max(1))
                .max(1)
        })
        .sum()
}
