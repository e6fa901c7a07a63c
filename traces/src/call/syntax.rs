//! How rows of the table are written.

macro_rules! operations {
    ($($(#[$doc:meta])* $op:ident $about:ident $work:ident $effect:ident;)*) => {
        /// The operation of the model that a call performs: calls that do the same share one.
        ///
        /// `open`, `creat`, `openat` and `openat2` are all [`Op::Open`]; what differs between them
        /// is in the arguments that they keep.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        #[allow(missing_docs)]
        pub enum Op { $($(#[$doc])* $op),* }

        impl Op {
            /// Which file it is about.
            pub fn about(self) -> About {
                match self { $(Op::$op => About::$about),* }
            }

            /// Which kind of work its time is.
            pub fn work(self) -> Work {
                match self { $(Op::$op => Work::$work),* }
            }

            /// What it changes when it succeeds.
            pub fn effect(self) -> Effect {
                match self { $(Op::$op => Effect::$effect),* }
            }
        }
    };
}

macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

macro_rules! calls {
    ($($name:ident $x86_64:tt $aarch64:tt $op:ident [$($kind:ident $register:literal),*]
        $result:ident $({ $($fact:ident: $value:expr),* })?;)*) => {
        /// A system call, by its name.
        #[allow(non_camel_case_types, missing_docs)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Call { $($name),* }

        /// All rows; a [`Call`] as a number is the index of its row.
        pub static TABLE: &[Row] = &[$(Row {
            $($($fact: $value,)*)?
            ..Row::plain(
                Call::$name,
                stringify!($name),
                Numbers { x86_64: number!($x86_64), aarch64: number!($aarch64) },
                Op::$op,
                &[$((ArgKind::$kind, $register)),*],
                ResultKind::$result,
            )
        }),*];
    };
}
