//! The stub in a program that starts, before its first instruction, where other processes have
//! shown what will stop.
//!
//! All that has to be called for it is called by one script. It stands in place of the program's
//! first instructions, and ends with a call that stops: one stop, however much is called.

use std::rc::Rc;

use crate::arch::{self, Registers, sites};
use crate::known::Known;
use crate::layout::{REGION, STUB, STUB_SIZE};
use crate::led::{self, leads};
use crate::maps::Mapping;
use crate::refused::Refused;
use crate::region::{Area, Bounds, Region, Regions};
use crate::space::{POOL, Pool, Space, code_at, undumped};
use crate::tracee::Tracee;
use crate::ways::Ways;

/// What ends a script: the filter stops it, and where nobody is interrupted it does nothing.
const LAST: i64 = libc::SYS_restart_syscall;

/// A program that is to run a script first.
#[derive(Debug)]
pub struct Start {
    /// What it goes on with after that.
    before: Registers,
    /// What stands in the script's place.
    covered: Vec<u8>,
    region: Rc<Region>,
    pool: u64,
    /// Where it is, and what will stop.
    mapping: Mapping,
    sites: Vec<u64>,
}

impl Start {
    /// Whether a call that stops before that address is the script's last.
    pub fn ends_before(&self, behind: u64) -> bool {
        self.before.next() + self.covered.len() as u64 == behind
    }

    /// Puts the program to its beginning, as it would be without a script.
    pub fn undo(&self, tracee: &mut impl Tracee) -> Result<Registers, Refused> {
        tracee.write(self.before.next(), &self.covered)?;
        let mut after = self.before;
        // As `execve` returns.
        after.set_result(0);
        led::drop_call(tracee, &mut after)?;
        Ok(after)
    }
}

impl Space {
    /// A program is about to start, and stands in `execve`. Where sites were met `often` in the
    /// file that it starts in, it gets a script.
    pub fn begin_start(
        &mut self,
        tracee: &mut impl Tracee,
        often: u32,
        known: &Known,
        regions: &mut Regions,
    ) -> Result<Option<Start>, Refused> {
        self.look_at_maps(tracee);
        let before = tracee.registers()?;
        if !before.is_native() || !leads::may_be(&before) {
            return Ok(None);
        }
        let first = before.next();
        let Some(mapping) = self.mapping(first).copied().filter(Mapping::is_text) else {
            return Ok(None);
        };
        let sites = known.sites(&mapping, often);
        let Some(pool) = self.room_for_pool(first) else {
            return Ok(None);
        };
        // No other pool can be mapped before the program begins.
        let sites: Vec<u64> = sites.filter(|site| sites::reaches(*site, pool)).collect();
        if sites.is_empty() || !tracee.may_be_started() {
            return Ok(None);
        }
        let region = regions.unused()?;
        let script = script(&region, pool);
        let mut covered = vec![0; script.len()];
        let fits = mapping.holds(first + script.len() as u64);
        if !fits || tracee.read(first, &mut covered)? != script.len() {
            return Ok(None);
        }
        if let Err(error) = tracee.write(first, &script) {
            // What of it was written must not be executed.
            tracee.write(first, &covered)?;
            return Err(error.into());
        }
        Ok(Some(Start {
            before,
            covered,
            region,
            pool,
            mapping,
            sites,
        }))
    }

    /// The script has run: the task stands at its last call. Gives how many sites lead to the stub.
    pub fn end_start(
        &mut self,
        tracee: &mut impl Tracee,
        start: Start,
        bounds: Bounds,
        found: (&mut Known, &mut Ways),
    ) -> Result<(Area, u32), Refused> {
        let results = tracee.registers()?.results();
        let mut after = start.undo(tracee)?;
        let ready = self.ready(tracee, start, results, bounds, found);
        if let Ok((area, _)) = &ready {
            leads::to(tracee, &mut after, area.address())?;
        }
        tracee.set_registers(&after)?;
        ready
    }

    fn ready(
        &mut self,
        tracee: &mut impl Tracee,
        start: Start,
        [stub, pool, region, _, prepared]: [i64; arch::SCRIPT_CALLS],
        bounds: Bounds,
        found: (&mut Known, &mut Ways),
    ) -> Result<(Area, u32), Refused> {
        for (call, result, wanted) in [
            ("mmap", stub, STUB),
            ("mmap", pool, start.pool),
            ("shmat", region, REGION),
        ] {
            if result.cast_unsigned() != wanted {
                return Err(Refused::Call { call });
            }
        }
        if !start.region.is_mapped(tracee) {
            return Err(Refused::Foreign);
        }
        let preparation = led::preparation();
        if prepared != 0 && preparation.is_needed {
            return Err(Refused::Call {
                call: preparation.name,
            });
        }
        tracee.write(STUB, &arch::stub())?;
        self.stub = true;
        self.pools.push(Pool {
            at: start.pool,
            sites: Vec::new(),
        });
        self.region = Some(Rc::clone(&start.region));
        self.may_synchronize = prepared == 0;
        let count = self.lead_all(tracee, start.mapping, start.sites, found)?;
        let area = start.region.area(bounds).ok_or(Refused::Areas)?;
        Ok((area, count))
    }
}

/// Maps the stub and a pool, attaches the region and leaves it out of core dumps, and prepares the
/// memory.
fn script(region: &Region, pool: u64) -> Vec<u8> {
    let preparation = led::preparation();
    let calls = [
        (libc::SYS_mmap, code_at(STUB, STUB_SIZE)),
        (libc::SYS_mmap, code_at(pool, POOL)),
        (libc::SYS_shmat, [region.id() as u64, REGION, 0, 0, 0, 0]),
        (libc::SYS_madvise, undumped()),
        (preparation.number, preparation.arguments),
    ];
    arch::script(calls, LAST)
}
