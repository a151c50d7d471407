//! The names of a contract's messages, listed once: the contract speaks by them and its documents are made from them.

/// An enum of names.
macro_rules! names {
    ($(#[$meta:meta])* $Names:ident { $($Name:ident = $text:expr,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names say it")]
        pub enum $Names {
            $($Name,)+
        }

        impl $Names {
            /// Every name there is.
            pub const ALL: &[Self] = &[$(Self::$Name,)+];

            /// The name as it is on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Name => $text,)+
                }
            }

            /// The message of that name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|message| message.as_str() == name)
            }
        }
    };
}

pub(crate) use names;
