//! Trampolines: where they stand, and how a site gets one.

use super::{Space, map};
use crate::arch::sites;
use crate::arch::{self, TRAMPOLINE};
use crate::layout::{PAGE, STUB};
use crate::maps;
use crate::refused::Refused;
use crate::tracee::Tracee;

/// Bytes for trampolines that are mapped at once.
pub(crate) const POOL: u64 = 16 * PAGE;
/// How far from the mapping above it a pool lies.
const APART: u64 = 128 * PAGE;

/// Trampolines that stand together.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    pub(crate) at: u64,
    /// Whose each is, in order; of one that leads on to the next what it is instead of.
    pub(crate) sites: Vec<u64>,
}

impl Pool {
    /// Whether so many trampolines have room.
    pub(super) fn has_room(&self, wanted: usize) -> bool {
        self.sites.len() + wanted <= POOL as usize / TRAMPOLINE
    }

    /// Where the next trampoline is to stand.
    fn next(&self) -> u64 {
        self.at + (self.sites.len() * TRAMPOLINE) as u64
    }
}

impl Space {
    /// Room for a pool near a site.
    pub(crate) fn room_for_pool(&self, site: u64) -> Option<u64> {
        let room = (POOL, APART, sites::FAR);
        maps::free_near(&self.maps, site, room, |at| sites::reaches(site, at))
    }

    /// A trampoline for a site, near enough to it, and before it what leads on to it, if that is
    /// needed. Gives the address of the first.
    pub(super) fn trampoline(
        &mut self,
        tracee: &mut impl Tracee,
        site: u64,
        lead_in: Option<(u64, [u8; TRAMPOLINE])>,
    ) -> Result<u64, Refused> {
        let near = |pool: &Pool| sites::reaches(site, pool.at);
        let wanted = 1 + usize::from(lead_in.is_some());
        let found = (self.pools.iter()).position(|pool| near(pool) && pool.has_room(wanted));
        let index = match found {
            Some(index) => index,
            None => {
                let at = self.room_for_pool(site).ok_or(Refused::Site)?;
                let before = tracee.registers()?;
                map(tracee, &before, STUB + self.marks.call, at, POOL)?;
                self.pools.push(Pool {
                    at,
                    sites: Vec::new(),
                });
                self.pools.len() - 1
            }
        };
        let pool = &mut self.pools[index];
        let first = pool.next();
        if let Some((instead_of, code)) = lead_in {
            tracee.write(first, &code)?;
            pool.sites.push(instead_of);
        }
        let at = pool.next();
        let code = arch::trampoline(at, site).ok_or(Refused::Site)?;
        tracee.write(at, &code)?;
        pool.sites.push(site);
        Ok(first)
    }
}
