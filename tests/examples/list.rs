// SPDX-License-Identifier: BSD-2-Clause
//! A PMEM kind from Rust, without crates: boxes and vectors whose memory is in a file. list [DIR]

use std::ffi::{c_char, c_int, c_void, CString};
use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::{env, io, process, slice, thread};

#[repr(C)]
struct RawKind {
    _private: [u8; 0],
}

#[link(name = "memkind")]
extern "C" {
    fn memkind_create_pmem(dir: *const c_char, max_size: usize, kind: *mut *mut RawKind) -> c_int;
    fn memkind_destroy_kind(kind: *mut RawKind) -> c_int;
    fn memkind_posix_memalign(
        kind: *mut RawKind,
        memptr: *mut *mut c_void,
        alignment: usize,
        size: usize,
    ) -> c_int;
    fn memkind_realloc(kind: *mut RawKind, ptr: *mut c_void, size: usize) -> *mut c_void;
    fn memkind_free(kind: *mut RawKind, ptr: *mut c_void);
    fn memkind_detect_kind(ptr: *mut c_void) -> *mut RawKind;
}

/// A heap in a nameless file, destroyed when the last value in it is dropped.
struct Kind {
    raw: *mut RawKind,
}

// memkind's functions may be called from any thread.
unsafe impl Send for Kind {}
unsafe impl Sync for Kind {}

impl Kind {
    fn new(dir: &str) -> io::Result<Arc<Kind>> {
        let path = CString::new(dir)?;
        let mut raw = ptr::null_mut();
        if unsafe { memkind_create_pmem(path.as_ptr(), 0, &mut raw) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Arc::new(Kind { raw }))
    }

    fn alloc<T>(&self, count: usize) -> NonNull<T> {
        let alignment = align_of::<T>().max(size_of::<*const c_void>());
        let size = (count.max(1)).checked_mul(size_of::<T>().max(1)).expect("a size");
        let mut memory = ptr::null_mut();
        let error = unsafe { memkind_posix_memalign(self.raw, &mut memory, alignment, size) };
        assert_eq!(error, 0, "no memory in the kind");
        NonNull::new(memory.cast()).expect("memory")
    }

    fn owns<T>(&self, value: *const T) -> bool {
        ptr::eq(unsafe { memkind_detect_kind(value as *mut c_void) }, self.raw)
    }
}

impl Drop for Kind {
    fn drop(&mut self) {
        unsafe { memkind_destroy_kind(self.raw) };
    }
}

/// One value in a kind.
struct PmemBox<T> {
    memory: NonNull<T>,
    kind: Arc<Kind>,
    owned: PhantomData<T>,
}

unsafe impl<T: Send> Send for PmemBox<T> {}

impl<T> PmemBox<T> {
    fn new(kind: &Arc<Kind>, value: T) -> PmemBox<T> {
        let memory = kind.alloc::<T>(1);
        unsafe { memory.as_ptr().write(value) };
        PmemBox { memory, kind: kind.clone(), owned: PhantomData }
    }
}

impl<T> Drop for PmemBox<T> {
    fn drop(&mut self) {
        unsafe {
            ptr::drop_in_place(self.memory.as_ptr());
            memkind_free(self.kind.raw, self.memory.as_ptr().cast());
        }
    }
}

impl<T> Deref for PmemBox<T> {
    type Target = T;
    fn deref(&self) -> &T {
        unsafe { self.memory.as_ref() }
    }
}

impl<T> DerefMut for PmemBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        unsafe { self.memory.as_mut() }
    }
}

/// Numbers in a kind, contiguous.
struct Numbers {
    memory: NonNull<u64>,
    capacity: usize,
    length: usize,
    kind: Arc<Kind>,
}

unsafe impl Send for Numbers {}

impl Numbers {
    fn new(kind: &Arc<Kind>) -> Numbers {
        Numbers { memory: kind.alloc(4), capacity: 4, length: 0, kind: kind.clone() }
    }

    fn push(&mut self, number: u64) {
        if self.length == self.capacity {
            self.capacity *= 2;
            let size = self.capacity * size_of::<u64>();
            let memory = self.memory.as_ptr().cast();
            let grown = unsafe { memkind_realloc(self.kind.raw, memory, size) };
            self.memory = NonNull::new(grown.cast()).expect("memory in the kind");
        }
        unsafe { self.memory.as_ptr().add(self.length).write(number) };
        self.length += 1;
    }

    fn as_slice(&self) -> &[u64] {
        unsafe { slice::from_raw_parts(self.memory.as_ptr(), self.length) }
    }
}

impl Drop for Numbers {
    fn drop(&mut self) {
        unsafe { memkind_free(self.kind.raw, self.memory.as_ptr().cast()) };
    }
}

/// A node that one thread creates and another drops.
struct Node {
    squares: Numbers,
    next: Option<PmemBox<Node>>,
}

fn make_list(kind: &Arc<Kind>, first: u64, nodes: u64) -> Option<PmemBox<Node>> {
    let mut list = None;
    for node in (first..first + nodes).rev() {
        let mut squares = Numbers::new(kind);
        for number in 0..node % 100 {
            squares.push(number * number);
        }
        list = Some(PmemBox::new(kind, Node { squares, next: list }));
    }
    list
}

fn check_list(kind: &Kind, mut list: Option<PmemBox<Node>>, first: u64) -> u64 {
    let mut count = 0;
    while let Some(mut node) = list {
        assert!(kind.owns(&*node) && kind.owns(node.squares.as_slice().as_ptr()));
        let expected: Vec<u64> = (0..(first + count) % 100).map(|number| number * number).collect();
        assert_eq!(node.squares.as_slice(), expected);
        list = node.next.take();
        count += 1;
    }
    count
}

fn main() {
    const THREADS: u64 = 4;
    const NODES: u64 = 10_000;
    let dir = env::args().nth(1).unwrap_or_else(|| "/dev/shm".to_string());
    let kind = Kind::new(&dir).unwrap_or_else(|error| {
        eprintln!("list: no kind in {dir}: {error}");
        process::exit(1);
    });
    let on_stack = 0u64;
    assert!(!kind.owns(&on_stack));
    let threads: Vec<_> = (0..THREADS)
        .map(|i| {
            let kind = kind.clone();
            thread::spawn(move || make_list(&kind, i * NODES, NODES))
        })
        .collect();
    let mut nodes = 0;
    for (i, thread) in threads.into_iter().enumerate() {
        nodes += check_list(&kind, thread.join().expect("a thread's list"), i as u64 * NODES);
    }
    assert_eq!(nodes, THREADS * NODES);
    println!("{nodes} nodes were right");
}
