//! Calls that are made again after a signal.

use fsreplay_trace::call::Call;

use super::log::{Item, What};
use super::token::split;

/// A call that a signal interrupted, and that is made again.
pub struct Interrupted {
    /// The call.
    pub call: Call,
    /// As it stood in the log.
    pub item: Item,
}

impl Interrupted {
    /// Whether a call is this one that is made again: on the same thing, as far as is printed.
    pub fn is_again(&self, call: Call, item: &Item) -> bool {
        self.call == call && first_argument(&self.item) == first_argument(item)
    }
}

fn first_argument(item: &Item) -> Option<&[u8]> {
    match &item.what {
        What::Call { args, .. } => split(args).first().copied(),
        What::Ended(_) | What::Superseded(_) => None,
    }
}
