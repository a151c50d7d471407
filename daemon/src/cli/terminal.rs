//! What people read: colour where it is wanted, lines that fit, local time, and nobody else's control characters.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use console::Term;
use jiff::tz::TimeZone;
use schemas::Timestamp;

use crate::config::Environment;
use crate::logging;

/// How a line stands out. With a word in the text besides, because colours may be off or not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Cyan,
    Dim,
    Green,
    Plain,
    Red,
    Yellow,
}

impl Colour {
    /// Its parameter in ANSI's "select graphic rendition"; `None` for no change.
    fn code(self) -> Option<&'static str> {
        match self {
            Self::Cyan => Some("36"),
            Self::Dim => Some("2"),
            Self::Green => Some("32"),
            Self::Plain => None,
            Self::Red => Some("31"),
            Self::Yellow => Some("33"),
        }
    }
}

/// Standard output, as far as it is for people.
#[derive(Debug, Clone)]
pub(super) struct Terminal {
    is_interactive: bool,
    has_colours: bool,
    zone: TimeZone,
}

impl Terminal {
    /// What the process prints to.
    pub(super) fn of_process(environment: &Environment) -> Self {
        let out = std::io::stdout();
        Self {
            is_interactive: out.is_terminal(),
            has_colours: logging::has_colours(environment, &out),
            zone: TimeZone::system(),
        }
    }

    /// Rows and columns; `None` for a pipe or a file.
    pub(super) fn size(&self) -> Option<(usize, usize)> {
        let (rows, columns) = Term::stdout()
            .size_checked()
            .filter(|_| self.is_interactive)?;
        Some((rows.into(), columns.into()))
    }

    /// Whether the cursor can be moved.
    pub(super) fn moves(&self, environment: &Environment) -> bool {
        self.is_interactive
            && environment
                .var("TERM")
                .is_some_and(|kind| !["", "dumb"].contains(&kind))
    }

    /// A line that cannot do anything to the terminal and is cut to its width. Nothing is cut in a pipe.
    pub(super) fn line(&self, text: &str, colour: Colour) -> String {
        let text = plain(text);
        let text = match self.size() {
            Some((_, columns)) => console::truncate_str(&text, columns, "…").into_owned(),
            None => text,
        };
        match colour.code().filter(|_| self.has_colours) {
            Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            None => text,
        }
    }

    /// The time of the day here.
    pub(super) fn time(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%H:%M:%S")
            .to_string()
    }

    /// Date and time here.
    pub(super) fn date(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string()
    }
}

/// The text with every control character as an escape: titles and names come from others, and a terminal obeys what is
/// printed. So are the characters that turn the direction of what stands beside them.
pub(super) fn plain(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for letter in text.chars() {
        let turns = matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if letter.is_control() || turns || matches!(letter, '\u{2028}' | '\u{2029}') {
            // Writing to a string cannot fail.
            let _ = write!(printed, "{}", letter.escape_default());
        } else {
            printed.push(letter);
        }
    }
    printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_a_terminal() {
        assert_eq!(plain("Scarf – größer 😀"), "Scarf – größer 😀");
        assert_eq!(
            plain("a\u{1b}[2Jb\n\tc\u{7f}"),
            "a\\u{1b}[2Jb\\n\\tc\\u{7f}"
        );
        assert_eq!(
            plain("\u{9b}31m\u{202e}olleh\u{2028}"),
            "\\u{9b}31m\\u{202e}olleh\\u{2028}"
        );
    }

    #[test]
    fn times_are_told_where_the_reader_is() {
        let zone = TimeZone::fixed(jiff::tz::offset(5));
        let terminal = Terminal {
            is_interactive: false,
            has_colours: false,
            zone,
        };
        let at = "2026-11-28T20:15:07.5Z".parse().unwrap();
        assert_eq!(
            (&*terminal.time(at), &*terminal.date(at)),
            ("01:15:07", "2026-11-29 01:15:07")
        );
        assert_eq!(terminal.line("a\u{1b}[0mb", Colour::Red), "a\\u{1b}[0mb");
        let coloured = Terminal {
            has_colours: true,
            ..terminal
        };
        assert_eq!(coloured.line("out", Colour::Red), "\u{1b}[31mout\u{1b}[0m");
    }
}
