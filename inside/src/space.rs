//! One memory of the tool: the stub in it, its trampolines, and the sites that lead there.

use std::collections::{HashMap, HashSet};
use std::io;
use std::rc::Rc;

use crate::arch::sites::{self, Code, GAPS, NEIGHBOURHOOD, Padding, SHORT_JUMP, SYSCALL, Way};
use crate::arch::{self, Marks, Registers, TRACED, TRAMPOLINE};
use crate::functions;
use crate::layout::{PAGE, REGION, REGION_SIZE, STUB};
use crate::maps::{self, InFile, Mapping};
use crate::region::{Area, Bounds, Region};
use crate::tracee::Tracee;
use crate::ways::{Near, Ways};

/// Bytes for trampolines that are mapped at once.
const POOL: u64 = 16 * PAGE;
/// How far from the mapping above it a pool lies.
const APART: u64 = 128 * PAGE;
/// `SHM_REMAP`: in place of what is mapped there.
const REMAP: i32 = 0o40_000;

/// Why something was not done, and stays with ptrace.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The tracer could not.
    #[error("the task could not be changed: {0}")]
    Tracer(#[from] io::Error),
    /// A call that the task was made to make failed.
    #[error("{call} failed in the tool")]
    Call {
        /// Which.
        call: &'static str,
    },
    /// The task uses `gs` itself, or did not stop at a `syscall` instruction.
    #[error("the task can't have an area")]
    Task,
    /// No padding that is beyond doubt, no private text of a file, or no room near it.
    #[error("the site can't be patched")]
    Site,
    /// All areas are taken.
    #[error("no area is free")]
    Areas,
}

/// What is known of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Site {
    /// It was hit so often.
    Hit(u32),
    /// It leads to the stub. So many calls were seen at it since that don't: of tasks that stood
    /// behind it when it was patched, or other code stands there by now.
    Patched(u32),
    /// It can't.
    Unfit,
}

/// `int3`.
const BREAKPOINT: u8 = 0xcc;
/// `MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE`.
const SYNC_CORE: u64 = 1 << 5;
/// `MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE`.
const REGISTER_SYNC_CORE: u64 = 1 << 6;

/// Trampolines that stand together.
#[derive(Clone, Debug)]
struct Pool {
    at: u64,
    /// Whose each is, in order.
    sites: Vec<u64>,
}

/// One memory, shared by all tasks that have it.
#[derive(Debug)]
pub struct Space {
    marks: Marks,
    stub: bool,
    region: Option<Rc<Region>>,
    /// A region of the process that this one was forked from is mapped.
    inherited: bool,
    pools: Vec<Pool>,
    sites: HashMap<u64, Site>,
    /// What was mapped at the last look.
    maps: Vec<Mapping>,
    /// The kernel was told that this memory will ask for `membarrier`.
    may_synchronize: bool,
}

impl Default for Space {
    fn default() -> Space {
        Space {
            marks: arch::marks(),
            stub: false,
            region: None,
            inherited: false,
            pools: Vec::new(),
            sites: HashMap::new(),
            maps: Vec::new(),
            may_synchronize: false,
        }
    }
}

impl Space {
    /// The memory of a process that this one was copied to: code and trampolines are there, too.
    /// Areas are its parent's, and it must not use them.
    pub fn forked(&self) -> Space {
        Space {
            marks: self.marks,
            stub: self.stub,
            region: None,
            inherited: self.inherited || self.region.is_some(),
            pools: self.pools.clone(),
            sites: self.sites.clone(),
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
    /// hit `often` enough now, or is one of the `known`, and can be patched as far as is known.
    pub fn hit(&mut self, behind: u64, often: u32, known: &HashSet<InFile>) -> Option<u64> {
        let site = behind.checked_sub(2)?;
        if self.site(site).is_some() {
            return None; // The traced way of one that is patched.
        }
        let is_known = || {
            let mapping = self.maps.iter().find(|mapping| mapping.holds(site));
            let byte = mapping.and_then(|mapping| mapping.in_file(site));
            byte.is_some_and(|byte| known.contains(&byte))
        };
        let seen = self.sites.get(&site).copied();
        let hits = if seen.is_none() && is_known() {
            often
        } else {
            0
        };
        let state = self.sites.entry(site).or_insert(Site::Hit(hits));
        match state {
            Site::Unfit => return None,
            Site::Patched(hits) | Site::Hit(hits) => *hits += 1,
        }
        matches!(state, Site::Patched(hits) | Site::Hit(hits) if *hits >= often).then_some(site)
    }

    /// The site whose trampoline holds an address, and where in it that is.
    pub fn site(&self, address: u64) -> Option<(u64, u64)> {
        self.pools.iter().find_map(|pool| {
            let offset = address.checked_sub(pool.at)?;
            let index = usize::try_from(offset / TRAMPOLINE as u64).ok()?;
            Some((*pool.sites.get(index)?, offset % TRAMPOLINE as u64))
        })
    }

    /// Maps the stub. The task must be at the exit of a call.
    pub fn install(&mut self, tracee: &mut impl Tracee) -> Result<(), Refused> {
        if self.stub {
            return Ok(());
        }
        let before = tracee.registers()?;
        let at = before.next().wrapping_sub(SYSCALL.len() as u64);
        let mut instruction = [0; 2];
        if tracee.read(at, &mut instruction)? != 2 || instruction != SYSCALL {
            return Err(Refused::Task);
        }
        map(tracee, &before, at, STUB, PAGE)?;
        tracee.write(STUB, &arch::stub())?;
        self.stub = true;
        Ok(())
    }

    /// Gives the task an area. It must be at the exit of a call.
    pub fn give_area(&mut self, tracee: &mut impl Tracee, bounds: Bounds) -> Result<Area, Refused> {
        self.install(tracee)?;
        let before = tracee.registers()?;
        if before.uses_segment() {
            return Err(Refused::Task);
        }
        let region = match &self.region {
            Some(region) => Rc::clone(region),
            None => {
                let region = Region::new()?;
                let flags = if self.inherited { REMAP } else { 0 };
                let arguments = [region.id() as u64, REGION, flags as u64, 0, 0, 0];
                let at = STUB + self.marks.call;
                let result = call(tracee, &before, at, libc::SYS_shmat, arguments)?;
                if result != REGION as i64 {
                    return Err(Refused::Call { call: "shmat" });
                }
                // A core dump is the tool's alone. Where the kernel doesn't do it, one is larger.
                let arguments = [REGION, REGION_SIZE, libc::MADV_DONTDUMP as u64, 0, 0, 0];
                call(tracee, &before, at, libc::SYS_madvise, arguments)?;
                self.region = Some(Rc::clone(&region));
                region
            }
        };
        let area = region.area(bounds).ok_or(Refused::Areas)?;
        let mut after = tracee.registers()?;
        after.set_area(area.address());
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

    /// Lets a site lead to the stub, and gives which byte of a file it is. The task must be at the
    /// exit of a call; `alone` if it is the only one of this memory.
    pub fn patch(
        &mut self,
        tracee: &mut impl Tracee,
        site: u64,
        alone: bool,
        ways: &mut Ways,
    ) -> Result<Option<InFile>, Refused> {
        let mut instruction = [0; 2];
        if tracee.read(site, &mut instruction)? != 2 || instruction != SYSCALL {
            return match self.sites.get_mut(&site) {
                Some(Site::Patched(hits)) => {
                    *hits = 0;
                    Ok(None)
                }
                _ => Err(Refused::Site),
            };
        }
        self.sites.insert(site, Site::Unfit);
        self.install(tracee)?;
        if alone && !self.may_synchronize {
            // Once it has threads, the kernel waits for all processors first, which takes
            // milliseconds. Where it can't be had, that is found out when it is needed.
            self.may_synchronize = self.synchronize(tracee, REGISTER_SYNC_CORE).is_ok();
        }
        let maps = maps::parse(&tracee.maps()?);
        let mapping = maps
            .iter()
            .find(|mapping| mapping.holds(site))
            .copied()
            .filter(Mapping::is_text)
            .ok_or(Refused::Site)?;
        let way = find_way(tracee, &maps, mapping, site, ways)?.ok_or(Refused::Site)?;
        let trampoline = self.trampoline(tracee, site, &maps)?;
        let first = way.hop.unwrap_or(way.last);
        let short = sites::short_jump(site, first).ok_or(Refused::Site)?;
        let far = sites::jump(way.last.address, trampoline).ok_or(Refused::Site)?;
        // Nothing leads there until the site does.
        fill(tracee, way.last, &far)?;
        if let Some(hop) = way.hop {
            let short = sites::short_jump(hop.address, way.last).ok_or(Refused::Site)?;
            fill(tracee, hop, &short)?;
        }
        if alone {
            tracee.write(site, &short)?;
        } else {
            self.write_beside_others(tracee, site, short)?;
        }
        self.sites.insert(site, Site::Patched(0));
        self.maps = maps;
        Ok(mapping.in_file(site))
    }

    /// A trampoline for a site, which stands within 2 GiB of it.
    fn trampoline(
        &mut self,
        tracee: &mut impl Tracee,
        site: u64,
        text: &[Mapping],
    ) -> Result<u64, Refused> {
        let near = |pool: &Pool| sites::jump(site, pool.at).is_some();
        let full = (POOL as usize) / TRAMPOLINE;
        let found = (self.pools.iter()).position(|pool| near(pool) && pool.sites.len() < full);
        let index = match found {
            Some(index) => index,
            None => {
                let at = maps::free_below(text, site, POOL, APART).ok_or(Refused::Site)?;
                sites::jump(site, at).ok_or(Refused::Site)?;
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
        let at = pool.at + (pool.sites.len() * TRAMPOLINE) as u64;
        let code = arch::trampoline(at, site).ok_or(Refused::Site)?;
        tracee.write(at, &code)?;
        pool.sites.push(site);
        Ok(at)
    }

    /// Writes a site that others may be executing, as the kernel does with its own text: one byte
    /// at a time, and each processor that runs this memory has forgotten what it fetched before the
    /// next one. The first is a breakpoint: who comes by stops there, and is sent back once it is
    /// done.
    fn write_beside_others(
        &mut self,
        tracee: &mut impl Tracee,
        site: u64,
        [jump, distance]: [u8; 2],
    ) -> Result<(), Refused> {
        if !self.may_synchronize {
            self.synchronize(tracee, REGISTER_SYNC_CORE)?;
            self.may_synchronize = true;
        }
        tracee.write(site, &[BREAKPOINT])?;
        let synchronized = self.synchronize(tracee, SYNC_CORE);
        if let Err(error) = synchronized {
            tracee.write(site, &SYSCALL[..1])?;
            return Err(error);
        }
        tracee.write(site + 1, &[distance])?;
        // It worked once; and where it doesn't, the breakpoint has to go all the same.
        let synchronized = self.synchronize(tracee, SYNC_CORE);
        tracee.write(site, &[jump])?;
        synchronized
    }

    /// Lets all processors that run this memory fetch its instructions anew.
    fn synchronize(&self, tracee: &mut impl Tracee, command: u64) -> Result<(), Refused> {
        let before = tracee.registers()?;
        let at = STUB + self.marks.call;
        let arguments = [command, 0, 0, 0, 0, 0];
        let result = call(tracee, &before, at, libc::SYS_membarrier, arguments)?;
        if result == 0 {
            return Ok(());
        }
        Err(Refused::Call { call: "membarrier" })
    }

    /// The site that had a breakpoint while it was written, if a task came by that: `next` is
    /// behind it. A breakpoint that is still there was left by a task that was killed in the
    /// middle.
    pub fn came_by(&self, tracee: &mut impl Tracee, next: u64) -> Option<u64> {
        let site = next.checked_sub(1)?;
        if !matches!(self.sites.get(&site), Some(Site::Patched(_) | Site::Unfit)) {
            return None;
        }
        let mut bytes = [0; 2];
        let length = tracee.read(site, &mut bytes).ok()?;
        if length == bytes.len() && bytes[0] == BREAKPOINT {
            let [first, second] = SYSCALL;
            let is_old = bytes[1] == second;
            tracee
                .write(site, &[if is_old { first } else { SHORT_JUMP }])
                .ok()?;
        }
        Some(site)
    }
}

/// The way of a site in a mapping; `None` if it has none.
fn find_way(
    tracee: &mut impl Tracee,
    maps: &[Mapping],
    mapping: Mapping,
    site: u64,
    ways: &mut Ways,
) -> Result<Option<Way>, Refused> {
    let first = site.saturating_sub(2 * NEIGHBOURHOOD).max(mapping.start);
    let last = (site + 3 * NEIGHBOURHOOD).min(mapping.end);
    let mut bytes = vec![0; last.saturating_sub(first) as usize];
    let length = tracee.read(first, &mut bytes)?;
    let bytes = &bytes[..length];
    let mut look = || {
        let base = mapping.base(maps);
        let gaps = base.map(|base| {
            functions::gaps(
                base,
                site.saturating_sub(GAPS),
                site + GAPS,
                |at, buffer| {
                    let length = tracee.read(at, buffer).ok()?;
                    (length == buffer.len()).then_some(())
                },
            )
        });
        let code = Code {
            address: first,
            bytes,
            gaps: &gaps.unwrap_or_default(),
        };
        sites::way(code, site)
    };
    let Some(byte) = mapping.in_file(site) else {
        return Ok(look());
    };
    let near = Near {
        site: byte,
        offset: site - first,
        bytes,
    };
    Ok(ways.way(near, site, look))
}

/// Writes a jump into padding; what is left of it stays padding that others can use.
fn fill(tracee: &mut impl Tracee, padding: Padding, jump: &[u8]) -> io::Result<()> {
    let mut bytes = vec![BREAKPOINT; padding.length];
    bytes[..jump.len()].copy_from_slice(jump);
    tracee.write(padding.address, &bytes)
}

/// Maps memory that may be read and executed, at that address and no other.
fn map(
    tracee: &mut impl Tracee,
    before: &Registers,
    at: u64,
    address: u64,
    length: u64,
) -> Result<(), Refused> {
    let protection = (libc::PROT_READ | libc::PROT_EXEC) as u64;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let none = u64::MAX;
    let arguments = [address, length, protection, kind as u64, none, 0];
    let result = call(tracee, before, at, libc::SYS_mmap, arguments)?;
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
