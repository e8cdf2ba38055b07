//! A file layer for SQLite that passes everything on to the real one and writes down what changes files, in order. From
//! that record the files can be rebuilt as a power cut at any moment might have left them.
#![expect(unsafe_code, reason = "SQLite's file layer is a C interface")]

use crate::fixture::Dice;
use rusqlite::ffi::{self, sqlite3_file, sqlite3_io_methods, sqlite3_vfs};
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::mem::{MaybeUninit, size_of};
use std::path::Path;
use std::sync::{Mutex, Once};

/// The name to open databases with.
pub(crate) const NAME: &str = "recording";

/// Something that happened to a file, or in the test.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    Write {
        file: String,
        at: usize,
        bytes: Vec<u8>,
    },
    Truncate {
        file: String,
        len: usize,
    },
    Sync {
        file: String,
    },
    Delete {
        file: String,
    },
    /// The test was told that this commit is safe.
    Acknowledged(u64),
}

static RECORD: Mutex<Vec<Deed>> = Mutex::new(Vec::new());

pub(crate) fn note(deed: Deed) {
    RECORD.lock().unwrap().push(deed);
}

/// Takes what was recorded.
pub(crate) fn take_record() -> Vec<Deed> {
    std::mem::take(&mut *RECORD.lock().unwrap())
}

/// A file while the record is played: what is certainly on the medium, and what may be.
#[derive(Default)]
struct Medium {
    synced: Vec<u8>,
    pending: Vec<Deed>,
}

fn write(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    bytes.resize(bytes.len().max(at + new.len()), 0);
    bytes[at..at + new.len()].copy_from_slice(new);
}

fn perform(bytes: &mut Vec<u8>, deed: &Deed) {
    match deed {
        Deed::Write { at, bytes: new, .. } => write(bytes, *at, new),
        Deed::Truncate { len, .. } => bytes.resize(*len, 0),
        _ => {}
    }
}

/// The files as the record is played.
#[derive(Default)]
pub(crate) struct Media(BTreeMap<String, Medium>);
impl Media {
    /// Plays the next deed.
    pub(crate) fn play(&mut self, deed: &Deed) {
        match deed {
            Deed::Write { file, .. } | Deed::Truncate { file, .. } => self
                .0
                .entry(file.clone())
                .or_default()
                .pending
                .push(deed.clone()),
            Deed::Sync { file } => {
                let medium = self.0.entry(file.clone()).or_default();
                for deed in std::mem::take(&mut medium.pending) {
                    perform(&mut medium.synced, &deed);
                }
            }
            Deed::Delete { file } => drop(self.0.remove(file)),
            Deed::Acknowledged(_) => {}
        }
    }

    /// Writes the files as a power cut now may leave them: of what was not synced, some is there, some is not, some is
    /// there in part, whatever its order was.
    pub(crate) fn cut(&self, dice: &mut Dice, into: &Path) {
        let mood = dice.roll(4);
        for (file, medium) in &self.0 {
            let mut bytes = medium.synced.clone();
            for deed in &medium.pending {
                match (mood, dice.roll(3)) {
                    // Nothing that was not synced is there; or all of it; or each piece by chance.
                    (0, _) => {}
                    (1, _) | (_, 0) => perform(&mut bytes, deed),
                    (_, 1) => tear(&mut bytes, deed, dice),
                    _ => {}
                }
            }
            std::fs::write(into.join(Path::new(file).file_name().unwrap()), bytes).unwrap();
        }
    }
}

/// Performs part of a write, in sectors.
fn tear(bytes: &mut Vec<u8>, deed: &Deed, dice: &mut Dice) {
    if let Deed::Write { at, bytes: new, .. } = deed {
        let len = (512 * dice.roll(new.len() / 512 + 1)).min(new.len());
        write(bytes, *at, &new[..len]);
    }
}

/// An open file: ours in front, the real one right behind it in the same allocation.
#[repr(C)]
struct File {
    base: sqlite3_file,
    name: *mut c_char,
}

fn real(file: *mut sqlite3_file) -> *mut sqlite3_file {
    file.wrapping_byte_add(size_of::<File>())
}

/// Calls the same method of the real file.
macro_rules! real {
    ($file:expr, $method:ident $(, $arg:expr)*) => {{
        let inner = real($file);
        // SAFETY: `open` made the real file behind ours; SQLite calls methods on open files only.
        unsafe { (*(*inner).pMethods).$method.map_or(ffi::SQLITE_IOERR, |method| method(inner $(, $arg)*)) }
    }};
}

fn name(file: *mut sqlite3_file) -> String {
    // SAFETY: `open` put an owned string there.
    unsafe { CStr::from_ptr((*file.cast::<File>()).name) }
        .to_string_lossy()
        .into_owned()
}

/// Notes a deed if it succeeded.
fn noted(code: c_int, deed: impl FnOnce() -> Deed) -> c_int {
    if code == ffi::SQLITE_OK {
        note(deed());
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    let code = real!(file, xClose);
    // SAFETY: made by `open` with `into_raw`, and closed once.
    drop(unsafe { CString::from_raw((*file.cast::<File>()).name) });
    code
}
unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    into: *mut c_void,
    len: c_int,
    at: i64,
) -> c_int {
    real!(file, xRead, into, len, at)
}
unsafe extern "C" fn write_file(
    file: *mut sqlite3_file,
    from: *const c_void,
    len: c_int,
    at: i64,
) -> c_int {
    // One lock around both, so that the record has the order of the files.
    let mut record = RECORD.lock().unwrap();
    let code = real!(file, xWrite, from, len, at);
    if code == ffi::SQLITE_OK {
        // SAFETY: SQLite hands over `len` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), len as usize) }.to_vec();
        record.push(Deed::Write {
            file: name(file),
            at: at as usize,
            bytes,
        });
    }
    code
}
unsafe extern "C" fn truncate(file: *mut sqlite3_file, len: i64) -> c_int {
    noted(real!(file, xTruncate, len), || Deed::Truncate {
        file: name(file),
        len: len as usize,
    })
}
unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // Not passed on: the record says what a medium would hold, and real syncs would only take time.
    noted(ffi::SQLITE_OK, || Deed::Sync { file: name(file) })
}
unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut i64) -> c_int {
    real!(file, xFileSize, size)
}
unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    real!(file, xLock, level)
}
unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    real!(file, xUnlock, level)
}
unsafe extern "C" fn check_reserved(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    real!(file, xCheckReservedLock, out)
}
unsafe extern "C" fn control(file: *mut sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    real!(file, xFileControl, op, arg)
}
unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    real!(file, xSectorSize)
}
unsafe extern "C" fn characteristics(file: *mut sqlite3_file) -> c_int {
    real!(file, xDeviceCharacteristics)
}
unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    real!(file, xShmMap, page, size, extend, out)
}
unsafe extern "C" fn shm_lock(
    file: *mut sqlite3_file,
    offset: c_int,
    n: c_int,
    flags: c_int,
) -> c_int {
    real!(file, xShmLock, offset, n, flags)
}
unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    let inner = real(file);
    // SAFETY: as in `real!`.
    unsafe {
        if let Some(barrier) = (*(*inner).pMethods).xShmBarrier {
            barrier(inner);
        }
    }
}
unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    real!(file, xShmUnmap, delete)
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Version 2: no memory-mapped reads and writes, which would pass by the record.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write_file),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

fn unix() -> *mut sqlite3_vfs {
    // SAFETY: the name is a C string; the layer is there as long as the process.
    unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: ffi::sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let vfs = unix();
    // SAFETY: SQLite allocated `szOsFile` bytes at `file`: ours, and the real one's behind it. It looks at `pMethods`
    // even when opening failed.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let code = (*vfs).xOpen.map_or(ffi::SQLITE_CANTOPEN, |open| {
            open(vfs, path, real(file), flags, out)
        });
        if code == ffi::SQLITE_OK {
            let name = if path.is_null() {
                CString::default()
            } else {
                CStr::from_ptr(path).to_owned()
            };
            (*file.cast::<File>()).name = name.into_raw();
            (*file).pMethods = &METHODS;
        }
        code
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, sync_dir: c_int) -> c_int {
    let vfs = unix();
    // SAFETY: passed on as it came.
    let code = unsafe {
        (*vfs).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| {
            delete(vfs, path, sync_dir)
        })
    };
    // SAFETY: SQLite hands over a C string.
    noted(code, || Deed::Delete {
        file: unsafe { CStr::from_ptr(path) }
            .to_string_lossy()
            .into_owned(),
    })
}

/// Makes the layer known to SQLite, once.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ours = Box::leak(Box::new(MaybeUninit::<sqlite3_vfs>::uninit()));
        // SAFETY: a copy of the real layer, valid as a whole, in memory that is never freed.
        unsafe {
            assert_eq!(ffi::sqlite3_initialize(), ffi::SQLITE_OK);
            let ours = ours.write(*unix());
            ours.pNext = std::ptr::null_mut();
            ours.zName = c"recording".as_ptr();
            ours.szOsFile += size_of::<File>() as c_int;
            ours.xOpen = Some(open);
            ours.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(ours, 0), ffi::SQLITE_OK);
        }
    });
}
