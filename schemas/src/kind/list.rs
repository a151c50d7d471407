//! How the list of events in `kind.rs` becomes types.

// What may stand behind a name in the list, and what follows from it:
//   (posted F)             only other programs say it; F is what they must name, see `RequiredField`
//   (mirror T)             found out here, of the mirror; or (daemon T); (program T) is said by another program in a
//                          shape of its own
//   (mirror T, posted F)   found out here, and other programs may post it
macro_rules! data {
    (type (posted $field:ident)) => { Box<Posted> };
    (type ($who:ident $own:ty)) => { $own };
    (type ($who:ident $own:ty, posted $field:ident)) => { EventData<$own> };

    (required (posted $field:ident)) => { Some(RequiredField::$field) };
    (required ($who:ident $own:ty)) => { None };
    (required ($who:ident $own:ty, posted $field:ident)) => { Some(RequiredField::$field) };

    (posted $data:ident (posted $field:ident)) => { Some($data.as_ref()) };
    (posted $data:ident ($who:ident $own:ty)) => {{ let _ = $data; None }};
    (posted $data:ident ($who:ident $own:ty, posted $field:ident)) => { $data.posted() };

    (of_posted $posted:ident $variant:path, (posted $field:ident)) => { Ok($variant($posted)) };
    (of_posted $posted:ident $variant:path, ($who:ident $own:ty)) => { Err($posted) };
    (of_posted $posted:ident $variant:path, ($who:ident $own:ty, posted $field:ident)) => {
        Ok($variant(EventData::Posted($posted)))
    };

    (read $json:ident $variant:path, (posted $field:ident)) => { None };
    (read $json:ident $variant:path, ($who:ident $own:ty)) => {
        serde_json::from_str($json).ok().map($variant)
    };
    (read $json:ident $variant:path, ($who:ident $own:ty, posted $field:ident)) => {
        serde_json::from_str($json).ok().map(EventData::Own).map($variant)
    };

    (schema $generator:ident (posted $field:ident)) => { None };
    (schema $generator:ident ($who:ident $own:ty)) => {
        Some($generator.subschema_for::<$own>())
    };
    (schema $generator:ident ($who:ident $own:ty, posted $field:ident)) => {
        Some($generator.subschema_for::<$own>())
    };

    (origin (posted $field:ident)) => { Origin::Posted };
    (origin (mirror $own:ty $(, posted $field:ident)?)) => { Origin::Mirror };
    (origin (daemon $own:ty $(, posted $field:ident)?)) => { Origin::Daemon };
    (origin (program $own:ty)) => { Origin::Posted };
}

macro_rules! events {
    (
        Logged { $($(#[doc = $about:literal])+ $Logged:ident = $name:literal $data:tt;)+ }
        Ephemeral { $($(#[doc = $e_about:literal])+ $Ephemeral:ident = $e_name:literal $e_data:tt;)+ }
    ) => {
        /// What an event is about, by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "Logged and Ephemeral say it")]
        pub enum Kind {
            $(#[serde(rename = $name)] $Logged,)+
            $(#[serde(rename = $e_name)] $Ephemeral,)+
        }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &[Self] = &[$(Self::$Logged,)+ $(Self::$Ephemeral,)+];

            /// Its name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Logged => $name,)+
                    $(Self::$Ephemeral => $e_name,)+
                }
            }

            /// What a program must name that posts it; `None` when programs cannot.
            pub(crate) fn required(self) -> Option<RequiredField> {
                match self {
                    $(Self::$Logged => data!(required $data),)+
                    $(Self::$Ephemeral => data!(required $e_data),)+
                }
            }

            fn origin(self) -> Origin {
                match self {
                    $(Self::$Logged => data!(origin $data),)+
                    $(Self::$Ephemeral => data!(origin $e_data),)+
                }
            }
        }

        /// What happened, of the kinds that the log keeps.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Logged {
            $($(#[doc = $about])+ $Logged(data!(type $data)),)+
        }

        /// What happened, of the kinds that are worth nothing a second later: told to whoever listens now.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Ephemeral {
            $($(#[doc = $e_about])+ $Ephemeral(data!(type $e_data)),)+
        }

        impl Logged {
            /// The kind that this event is of.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$Logged(_) => Kind::$Logged,)+
                }
            }

            /// What another program posted, when it did.
            pub fn posted(&self) -> Option<&Posted> {
                match self {
                    $(Self::$Logged(data) => data!(posted data $data),)+
                }
            }

            fn of_posted(posted: Box<Posted>) -> Result<Self, Box<Posted>> {
                match posted.kind {
                    $(Kind::$Logged => data!(of_posted posted Self::$Logged, $data),)+
                    $(Kind::$Ephemeral)|+ => Err(posted),
                }
            }

            fn data_json(&self) -> serde_json::Result<Value> {
                match self {
                    $(Self::$Logged(data) => serde_json::to_value(data),)+
                }
            }

            fn write_data<S: SerializeStruct>(&self, event: &mut S) -> Result<(), S::Error> {
                match self {
                    $(Self::$Logged(data) => event.serialize_field("data", data),)+
                }
            }

            fn read_own(kind: &str, data: &str) -> Option<Self> {
                match kind {
                    $($name => data!(read data Self::$Logged, $data),)+
                    _ => None,
                }
            }
        }

        impl Ephemeral {
            /// The kind that this event is of.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$Ephemeral(_) => Kind::$Ephemeral,)+
                }
            }

            /// What another program posted, when it did.
            pub fn posted(&self) -> Option<&Posted> {
                match self {
                    $(Self::$Ephemeral(data) => data!(posted data $e_data),)+
                }
            }

            fn of_posted(posted: Box<Posted>) -> Result<Self, Box<Posted>> {
                match posted.kind {
                    $(Kind::$Ephemeral => data!(of_posted posted Self::$Ephemeral, $e_data),)+
                    $(Kind::$Logged)|+ => Err(posted),
                }
            }
        }

        /// Of each kind that is not only posted: its name, what it means, and the schema of its data.
        fn own_schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, &'static str, Option<Schema>)> {
            vec![
                $(($name, concat!($($about),+), data!(schema generator $data)),)+
                $(($e_name, concat!($($e_about),+), data!(schema generator $e_data)),)+
            ]
        }
    };
}
