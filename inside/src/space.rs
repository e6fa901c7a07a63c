//! One memory of the tool: the stub in it, its trampolines, and the sites that lead there.

mod beside;
mod pools;

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use crate::arch::sites::{self, AT_ONCE, Patch, SITE, SYSCALL};
use crate::arch::{self, Marks, Registers, TRACED, TRAMPOLINE};
use crate::draft::Draft;
use crate::known::{Around, Known};
use crate::layout::{REGION, REGION_SIZE, STUB, STUB_SIZE};
use crate::led::{self, Preparation, leads};
use crate::maps::{self, Mapping};
use crate::refused::Refused;
use crate::region::{Area, Bounds, Region, Regions};
use crate::tracee::Tracee;
use crate::ways::{Ways, find_way};
pub(crate) use pools::{POOL, Pool};

/// `SHM_REMAP`: in place of what is mapped there.
const REMAP: i32 = 0o40_000;

/// What is known of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// It was hit so often.
    Hit(u32),
    /// It leads to the stub. So many calls were seen at it since that don't: of tasks that stood
    /// behind it when it was patched, or other code stands there by now.
    Patched(u32),
    /// What stands before it leads to the stub, and it is as it was.
    Ahead,
    /// It can't.
    Unfit,
}

/// How things stand where a site is to be patched.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The task is the only one of this memory that runs.
    pub alone: bool,
    /// Its mappings were looked at in this stop.
    pub looked: bool,
}

/// One memory, shared by all tasks that have it.
#[derive(Debug)]
pub struct Space {
    marks: Marks,
    pub(crate) stub: bool,
    /// Where its tasks have their areas. Processes that were forked from one another have the same.
    pub(crate) region: Option<Rc<Region>>,
    pub(crate) pools: Vec<Pool>,
    sites: HashMap<u64, Site>,
    /// What was written while others may have been executing it, by where.
    breakpoints: HashMap<u64, Patch>,
    /// Where jumps to trampolines were written, or to what leads on to them.
    jumps: Vec<u64>,
    /// What was mapped at the last look.
    pub(crate) maps: Vec<Mapping>,
    /// The kernel was told that this memory will ask for `membarrier`.
    pub(crate) may_synchronize: bool,
}

impl Default for Space {
    fn default() -> Space {
        Space {
            marks: arch::marks(),
            stub: false,
            region: None,
            pools: Vec::new(),
            sites: HashMap::new(),
            breakpoints: HashMap::new(),
            jumps: Vec::new(),
            maps: Vec::new(),
            may_synchronize: false,
        }
    }
}

impl Space {
    /// The memory of a process that this one was copied to: code and trampolines are there, too,
    /// and the region, of which it has areas of its own.
    pub fn forked(&self) -> Space {
        Space {
            marks: self.marks,
            stub: self.stub,
            region: self.region.clone(),
            pools: self.pools.clone(),
            sites: self.sites.clone(),
            breakpoints: self.breakpoints.clone(),
            jumps: self.jumps.clone(),
            maps: self.maps.clone(),
            may_synchronize: false,
        }
    }

    pub(crate) fn marks(&self) -> Marks {
        self.marks
    }

    /// Whether the stub is there.
    pub fn has_stub(&self) -> bool {
        self.stub
    }

    /// A call was seen that the kernel says stands before `behind`. Gives the site if it has been
    /// hit `often` enough now, in this memory or in others of the same file, and can be patched as
    /// far as is known.
    pub fn hit(
        &mut self,
        tracee: &mut impl Tracee,
        behind: u64,
        often: u32,
        known: &mut Known,
    ) -> Option<u64> {
        let site = behind.checked_sub(SITE)?;
        if self.site(site).is_some() {
            return None; // The traced way of one that is patched.
        }
        let mapping = self.mapping(site);
        let is_known = mapping.is_some_and(|mapping| {
            let byte = mapping.in_file(site);
            byte.is_some_and(|byte| known.meets(byte, often, || Around::of(tracee, mapping, site)))
        });
        let state = self.sites.entry(site).or_insert(Site::Hit(0));
        let is_due = match state {
            Site::Unfit | Site::Ahead => false,
            Site::Hit(hits) => {
                *hits += 1;
                is_known || *hits >= often
            }
            Site::Patched(hits) => {
                *hits += 1;
                *hits >= often
            }
        };
        is_due.then_some(site)
    }

    /// Whether the site before that address may be patched some time.
    pub fn may_hit(&self, behind: u64) -> bool {
        let site = behind.saturating_sub(SITE);
        let is_done = matches!(self.sites.get(&site), Some(Site::Unfit | Site::Ahead));
        self.site(site).is_none() && !is_done
    }

    /// Whether a call was made, before that address, from what was not mapped at the last look.
    pub(crate) fn is_elsewhere(&self, behind: u64) -> bool {
        let at = behind.saturating_sub(1);
        self.mapping(at).is_none() && self.site(at).is_none()
    }

    /// What is mapped at an address, as of the last look.
    pub(crate) fn mapping(&self, address: u64) -> Option<&Mapping> {
        self.maps.iter().find(|mapping| mapping.holds(address))
    }

    /// The site whose trampoline holds an address, and where in it that is.
    pub fn site(&self, address: u64) -> Option<(u64, u64)> {
        self.pools.iter().find_map(|pool| {
            let offset = address.checked_sub(pool.at)?;
            let index = usize::try_from(offset / TRAMPOLINE as u64).ok()?;
            Some((*pool.sites.get(index)?, offset % TRAMPOLINE as u64))
        })
    }

    /// Whether a task that stands there asks its clock.
    pub(crate) fn is_asking(&self, next: u64) -> bool {
        let asks = STUB + self.marks.asks;
        (asks..STUB + self.marks.end).contains(&next)
    }

    /// Whether a call that is made at that instruction may wait, and a task that a signal reaches
    /// in it already stands before it again.
    pub(crate) fn may_wait_at(&self, next: u64) -> bool {
        let in_trampoline = self.site(next).map(|(_, offset)| offset);
        led::may_wait_at(next, in_trampoline, &self.marks)
    }

    /// Maps the stub. The task must be at the exit of a call.
    pub fn install(&mut self, tracee: &mut impl Tracee) -> Result<(), Refused> {
        if self.stub {
            return Ok(());
        }
        let before = tracee.registers()?;
        let at = before.next().wrapping_sub(SITE);
        if !is_call(tracee, at)? {
            return Err(Refused::Task);
        }
        map(tracee, &before, at, STUB, STUB_SIZE)?;
        let preparation = led::preparation();
        if preparation.is_needed {
            prepare(tracee, &before, at, preparation)?;
        }
        tracee.write(STUB, &arch::stub())?;
        self.stub = true;
        Ok(())
    }

    /// Gives the task an area. It must be at the exit of a call; `alone` if it is the only one of
    /// this memory.
    pub fn give_area(
        &mut self,
        tracee: &mut impl Tracee,
        alone: bool,
        bounds: Bounds,
        regions: &mut Regions,
    ) -> Result<Area, Refused> {
        self.install(tracee)?;
        let before = tracee.registers()?;
        if !leads::may_be(&before) {
            return Err(Refused::Task);
        }
        // Others may have taken all areas of one that it was forked with.
        let usable = (self.region.as_ref()).filter(|region| !alone || region.has_room());
        let region = match usable {
            Some(region) => Rc::clone(region),
            None => {
                let region = regions.unused()?;
                let flags = if self.region.is_some() { REMAP } else { 0 };
                let arguments = [region.id() as u64, REGION, flags as u64, 0, 0, 0];
                let at = STUB + self.marks.call;
                let result = call(tracee, &before, at, libc::SYS_shmat, arguments)?;
                if result != REGION as i64 {
                    return Err(Refused::Call { call: "shmat" });
                }
                self.region = None;
                if !region.is_mapped(tracee) {
                    let arguments = [REGION, 0, 0, 0, 0, 0];
                    call(tracee, &before, at, libc::SYS_shmdt, arguments)?;
                    return Err(Refused::Foreign);
                }
                // A core dump is the tool's alone. Where the kernel doesn't do it, one is larger.
                call(tracee, &before, at, libc::SYS_madvise, undumped())?;
                self.region = Some(Rc::clone(&region));
                region
            }
        };
        let area = region.area(bounds).ok_or(Refused::Areas)?;
        let mut after = tracee.registers()?;
        leads::to(tracee, &mut after, area.address())?;
        tracee.set_registers(&after)?;
        Ok(area)
    }

    /// An area for a task of this memory, if there are any already.
    pub fn spare_area(&self, bounds: Bounds) -> Option<Area> {
        self.region.as_ref()?.area(bounds)
    }

    /// Looks at what is mapped now, which tells which sites were known in other processes.
    pub fn look_at_maps(&mut self, tracee: &mut impl Tracee) {
        self.maps = tracee
            .maps()
            .map_or_else(|_| Vec::new(), |maps| maps::parse(&maps));
    }

    /// Lets a site lead to the stub; if the task is the only one of this memory, also the others of
    /// its file that were met `often`. Gives how many do. The task must be at the exit of
    /// a call.
    pub fn patch(
        &mut self,
        tracee: &mut impl Tracee,
        site: u64,
        Standing { alone, looked }: Standing,
        often: u32,
        found: (&mut Known, &mut Ways),
    ) -> Result<u32, Refused> {
        let (known, ways) = found;
        if !is_call(tracee, site)? {
            return match self.sites.get_mut(&site) {
                Some(Site::Patched(hits)) => {
                    *hits = 0;
                    Ok(0)
                }
                _ => Err(Refused::Site),
            };
        }
        self.sites.insert(site, Site::Unfit);
        self.install(tracee)?;
        if alone && !AT_ONCE && !self.may_synchronize {
            // Once it has threads, the kernel waits for all processors first, which takes
            // milliseconds. Where it can't be had, that is found out when it is needed.
            self.may_synchronize = self.may_synchronize_now(tracee).is_ok();
        }
        if !looked {
            self.look_at_maps(tracee);
        }
        let mapping = self.mapping(site).copied().filter(Mapping::is_text);
        let mapping = mapping.ok_or(Refused::Site)?;
        if !alone {
            self.lead(tracee, mapping, site, false, ways)?;
            return Ok(1);
        }
        if let Some(byte) = mapping.in_file(site) {
            known.sees(byte, Around::of(tracee, &mapping, site));
        }
        let others = known.sites(&mapping, often).filter(|other| *other != site);
        let sites = [site].into_iter().chain(others).collect();
        self.lead_all(tracee, mapping, sites, (known, ways))
    }

    /// The same of one site, where no call is needed for it: the task, which runs alone, stands at
    /// the entry of a call.
    pub(crate) fn patch_at_entry(
        &mut self,
        tracee: &mut impl Tracee,
        site: u64,
        found: (&mut Known, &mut Ways),
    ) -> Result<u32, Refused> {
        let has_room = |pool: &Pool| sites::reaches(site, pool.at) && pool.has_room(2);
        let mapping = self.mapping(site).copied().filter(Mapping::is_text);
        let mapping = mapping.filter(|_| self.pools.iter().any(has_room));
        mapping.map_or(Ok(0), |mapping| {
            self.lead_all(tracee, mapping, vec![site], found)
        })
    }

    /// Lets those sites of a mapping lead to the stub that can; gives how many do. The task is the
    /// only one of this memory, which has the stub. No task of this process may have been at them:
    /// what stands there otherwise than where they were met is no site.
    pub(crate) fn lead_all(
        &mut self,
        tracee: &mut impl Tracee,
        mapping: Mapping,
        sites: Vec<u64>,
        (known, ways): (&mut Known, &mut Ways),
    ) -> Result<u32, Refused> {
        let mut draft = Draft::new(tracee);
        let mut count = 0;
        for site in sites {
            if let Some(Site::Patched(_) | Site::Ahead) = self.sites.get(&site) {
                continue;
            }
            if let Some(byte) = mapping.in_file(site)
                && !known.is_as_met(byte, &Around::of(&mut draft, &mapping, site))
            {
                continue;
            }
            match self.lead(&mut draft, mapping, site, true, ways) {
                Ok(()) => count += 1,
                Err(Refused::Site) => {
                    if let Some(byte) = mapping.in_file(site) {
                        known.unfit(byte);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        draft.finish()?;
        Ok(count)
    }

    /// Lets one site of a mapping lead to the stub.
    fn lead(
        &mut self,
        tracee: &mut impl Tracee,
        mapping: Mapping,
        site: u64,
        alone: bool,
        ways: &mut Ways,
    ) -> Result<(), Refused> {
        self.sites.insert(site, Site::Unfit);
        if !is_call(tracee, site)? {
            return Err(Refused::Site);
        }
        let way = find_way(tracee, &self.maps, mapping, site, &self.jumps, ways)?;
        let way = way.ok_or(Refused::Site)?;
        let lead_in = way.lead_in();
        let trampoline = self.trampoline(tracee, site, lead_in)?;
        let patch = sites::patch(site, way, trampoline).ok_or(Refused::Site)?;
        // Nothing leads there until the last is written.
        for (at, bytes) in &patch.first {
            tracee.write(*at, bytes)?;
        }
        if alone || AT_ONCE {
            tracee.write(patch.at, &patch.after)?;
        } else {
            self.write_beside_others(tracee, &patch)?;
        }
        self.jumps.push(patch.long_jump());
        let done = lead_in.map_or(Site::Patched(0), |_| Site::Ahead);
        self.sites.insert(site, done);
        Ok(())
    }
}

/// Lets a task that is at the exit of a call make one that gives 0.
fn prepare(
    tracee: &mut impl Tracee,
    before: &Registers,
    at: u64,
    wanted: Preparation,
) -> Result<(), Refused> {
    match call(tracee, before, at, wanted.number, wanted.arguments)? {
        0 => Ok(()),
        _ => Err(Refused::Call { call: wanted.name }),
    }
}

/// Whether an instruction that makes a call stands there.
fn is_call(tracee: &mut impl Tracee, at: u64) -> io::Result<bool> {
    let mut instruction = [0; SITE as usize];
    let length = tracee.read(at, &mut instruction)?;
    Ok(length == instruction.len() && instruction == SYSCALL)
}

/// The arguments of `mmap` for memory that may be read and executed, at that address and no other.
pub(crate) fn code_at(address: u64, length: u64) -> [u64; 6] {
    let protection = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let none = u64::MAX;
    [address, length, protection, kind as u64, none, 0]
}

/// The arguments of `madvise` that leave a region out of core dumps.
pub(crate) fn undumped() -> [u64; 6] {
    [REGION, REGION_SIZE, libc::MADV_DONTDUMP as u64, 0, 0, 0]
}

/// Maps memory that may be read and executed, at that address and no other.
fn map(
    tracee: &mut impl Tracee,
    before: &Registers,
    at: u64,
    address: u64,
    length: u64,
) -> Result<(), Refused> {
    let result = call(tracee, before, at, libc::SYS_mmap, code_at(address, length))?;
    if result == address as i64 {
        return Ok(());
    }
    if result > 0 {
        // A kernel that doesn't know of NOREPLACE took it for a wish.
        let arguments = [result as u64, length, 0, 0, 0, 0];
        call(tracee, before, at, libc::SYS_munmap, arguments)?;
    }
    Err(Refused::Call { call: "mmap" })
}

/// Lets a task that is at the exit of a call make another one, of which it knows nothing: at that
/// `syscall` instruction. Its registers are as before then.
fn call(
    tracee: &mut impl Tracee,
    before: &Registers,
    at: u64,
    number: i64,
    arguments: [u64; 6],
) -> Result<i64, Refused> {
    let mut registers = *before;
    registers.set_call(at, number, arguments);
    tracee.set_registers(&registers)?;
    let made = tracee.make_call();
    let result = made.and_then(|()| tracee.registers());
    tracee.set_registers(before)?;
    Ok(result?.result().cast_signed())
}

const _: () = assert!(TRACED < TRAMPOLINE as u64);
