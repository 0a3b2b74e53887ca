"""The C core of 32 bits, written by ``python -m vmemu.stubs``.

csrc/*/types.h and csrc/*/api.h document what is here.
"""

from collections.abc import Iterator
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")

class Array(Generic[T]):
    """An array, or a pointer to what is not a struct."""

    def __getitem__(self, index: int, /) -> T: ...
    def __setitem__(self, index: int, value: T, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[T]: ...

class Struct:
    """A struct, or a pointer to one."""

    def __getitem__(self, index: int, /) -> Self: ...
    def __add__(self, n: int, /) -> Self: ...
    @overload
    def __sub__(self, other: int, /) -> Self: ...
    @overload
    def __sub__(self, other: Self, /) -> int: ...

class address_space(Struct):
    host: int
    page_tree: radix_tree_root
    tree_lock: int
    i_mmap: Any
    i_mmap_writable: int
    i_mmap_nonlinear: list_head
    i_mmap_lock: int
    truncate_count: int
    nrpages: int
    writeback_index: int
    a_ops: int
    flags: int
    backing_dev_info: int
    private_lock: int
    private_list: list_head
    assoc_mapping: int

class aio_ring_info(Struct):
    mmap_base: int
    mmap_size: int
    ring_pages: int
    ring_lock: int
    nr_pages: int
    nr: int
    tail: int
    internal_pages: Array[int]

class anon_vma(Struct):
    lock: int
    head: list_head

class anon_vma_chain(Struct):
    vma: int
    anon_vma: int
    same_vma: list_head
    same_anon_vma: list_head

class anon_vma_tail(Struct):
    anon_vma_node: list_head
    anon_vma: int

class anonmm(Struct):
    count: int
    lock: int
    mm: int
    head: int
    list: list_head

class anonmm_tail(Struct):
    anonmm: int

class avc_anon_vma(Struct):
    lock: int
    root: int
    head: list_head

class avc_degree(Struct):
    parent: int
    num_children: int
    num_active_vmas: int

class avc_interval(Struct):
    vma: int
    anon_vma: int
    same_vma: list_head
    rb_parent: int
    rb_right: int
    rb_left: int
    rb_subtree_last: int

class avc_tail(Struct):
    chain: list_head
    anon_vma: int

class candidate(Struct):
    mm: int
    vma: int
    address: int

class check_state(Struct):
    finding: rmap_finding
    stamps: list_stamps
    next_stamp: int

class clock(Struct):
    now: int
    stime: int
    iowait: int
    limit: int
    next_timer: int

class completion(Struct):
    done: int
    wait: wait_queue_head

class cow_context(Struct):
    mm: int
    parent: int
    root: int
    children: list_head
    siblings: list_head
    remaps: int
    refcount: int
    lock: int
    stale: int

class cow_context_tail(Struct):
    context: int

class cow_remap(Struct):
    next: int
    nr: int
    entry: Array[cow_remap_entry]

class cow_remap_entry(Struct):
    start: int
    end: int
    offset: int

class cpu(Struct):
    uc: Any
    trap_vector: int
    aborted: int
    syscalls_in_c: int
    call: cpu_call
    state: cpu_state

class cpu_call(Struct):
    number: int
    args: Array[int]

class cpu_context(Struct): ...

class cpu_ops(Struct):
    exact_fault: Any
    remove_blocks: Any

class cpu_regs(Struct):
    ax: int
    eax: int
    cx: int
    ecx: int
    dx: int
    edx: int
    bx: int
    ebx: int
    sp: int
    esp: int
    bp: int
    ebp: int
    si: int
    esi: int
    di: int
    edi: int
    ip: int
    eip: int
    flags: int
    eflags: int
    cs: int
    ss: int
    ds: int
    es: int
    fs: int
    gs: int

class cpu_state(Struct): ...

class event(Struct):
    seq: int
    time: int
    pid: int
    type: int
    a: int
    b: int
    c: int
    d: int

class explore_options(Struct):
    mode: int
    preemptions: int
    seed: int

class explore_step(Struct):
    task: int
    kind: int
    lock_class: int
    object: int
    before: int
    after: int

class explorer(Struct): ...

class fault_state(Struct):
    in_hook: int
    in_c: int
    inexact: int
    address: int
    access: int
    result: int

class file_ra_state(Struct):
    prev_page: int
    size: int
    ra_pages: int

class frame_census(Struct):
    mapped: int
    pgtable: int
    free: int
    slab: int
    swapcache: int
    nr_active: int
    nr_inactive: int
    nr_free: int
    nr_quarantine: int
    list: int
    broken_at: int
    broken: Array[int]
    shown: Array[Array[int]]
    expected: Array[int]

class held_lock(Struct):
    mode: int
    object: int

class held_locks(Struct):
    nr: int
    nest: int
    reserve: int
    newborn: int
    lock: Array[held_lock]

class i_mmap_iter(Struct):
    mapping: address_space
    first: int
    last: int
    at: int
    in_set: int
    depth: int
    begin: int

class i_mmap_ops(Struct):
    name: Array[bytes]
    vma_bytes: int
    space_bytes: int
    by_range: int
    init: Any
    empty: Any
    insert: Any
    insert_after: Any
    remove: Any
    first: Any
    next: Any

class inode(Struct):
    i_mapping: int
    fd: int
    writable: int
    i_size: int
    shmem: shmem_inode_info

class interval_node(Struct):
    rb_parent: int
    rb_right: int
    rb_left: int
    rb_subtree_last: int

class kernel_data(Struct):
    swap_lock: int
    zone: zone
    caches: Array[kmem_cache]
    swapper_space: address_space
    mmlist: list_head
    shmem_swaplist: list_head
    quarantine: list_head
    rmap: rmap_data

class kernel_layout(Struct):
    slub: int
    vma: int
    mm: int
    object: int
    object_room: int

class kioctx(Struct):
    users: int
    dead: int
    mm: int
    user_id: int
    next: int
    wait: wait_queue_head
    ctx_lock: int
    reqs_active: int
    active_reqs: list_head
    run_list: list_head
    max_reqs: int
    ring_info: aio_ring_info
    wq: work_struct

class kmem_cache(Struct):
    id: int
    objsize: int
    align: int
    bufsize: int
    num: int
    slub: int
    nr_slabs: int
    nr_active: int
    slabs_full: list_head
    slabs_partial: list_head

class list_head(Struct):
    next: int
    prev: int

class list_stamps(Struct):
    anon: int
    file: int
    came: int

class lock_stat(Struct):
    acquired: int
    failed: int
    steps_held: int

class lock_state(Struct):
    vm_flags_lock: int
    stat: Array[lock_stat]
    held: held_locks
    path: held_locks
    order: Array[Array[int]]

class mm_context(Struct):
    size: int
    sem: semaphore
    ldt: int

class mm_struct(Struct):
    mmap: int
    mm_rb: int
    mmap_cache: int
    free_area_cache: int
    pgd: int
    mm_users: int
    mm_count: int
    map_count: int
    mmap_sem: rw_semaphore
    page_table_lock: int
    mmlist: list_head
    start_code: int
    end_code: int
    start_data: int
    end_data: int
    start_brk: int
    brk: int
    start_stack: int
    arg_start: int
    arg_end: int
    env_start: int
    env_end: int
    rss: int
    total_vm: int
    locked_vm: int
    def_flags: int
    cpu_vm_mask: int
    saved_auxv: Array[int]
    dumpable: int
    context: mm_context
    core_waiters: int
    core_startup_done: int
    core_done: completion
    ioctx_list_lock: int
    ioctx_list: int
    default_kioctx: kioctx
    hiwater_rss: int
    hiwater_vm: int

class owner_rule(Struct):
    field: Array[bytes]
    locks: Array[bytes]
    owns: Any

class page(Struct):
    flags: int
    _count: int
    mapcount: int
    private: int
    mapping: int
    index: int
    lru: list_head

class page_state(Struct):
    nr_mapped: int
    nr_pagecache: int
    nr_dirty: int
    nr_shmem: int
    nr_pagetable: int
    nr_quarantine: int
    handed_out: int
    want_kswapd: int
    memalloc: int

class prio_tree_node(Struct):
    left: int
    right: int
    parent: int
    head: int

class prio_tree_root(Struct):
    node: int
    index_bits: int
    raw: int

class pte_chain(Struct):
    next_and_idx: int
    ptes: Array[int]

class radix_tree_node(Struct):
    count: int
    slots: Array[int]
    tags: Array[Array[int]]

class radix_tree_root(Struct):
    height: int
    gfp_mask: int
    rnode: int

class rb_node(Struct):
    rb_parent: int
    rb_color: int
    rb_right: int
    rb_left: int

class rmap_cache(Struct):
    name: Array[bytes]
    size: int
    align: int
    later: int

class rmap_data(Struct):
    lock: int
    cursor: int

class rmap_finding(Struct):
    where: candidate
    reached: Array[int]
    n: int
    log: rmap_log

class rmap_log(Struct):
    tried: rmap_tried
    room: int
    nr: int
    found: int
    young: int
    ret: int
    probes: int
    cmps: int
    counted: Array[int]

class rmap_ops(Struct):
    name: Array[bytes]
    plug: Any
    vma_tail: int
    mm_tail: int
    caches: Array[rmap_cache]
    cache_size: Any
    lock_name: Array[bytes]
    rules: Array[owner_rule]
    keeps_exclusive: int
    locks_vma_tree: int
    range_lock: Any
    mm_init: Any
    mm_dup: Any
    mm_exit: Any
    prepared: Any
    vma_dup: Any
    vma_free: Any
    vma_split: Any
    range_changes: Any
    range_changed: Any
    add_anon: Any
    remove_anon: Any
    put_anon: Any
    own_anon: Any
    move_anon: Any
    keeps_files: Any
    add_file: Any
    dup_pte: Any
    remove_pte: Any
    reserve: Any
    unreserve: Any
    table_added: Any
    walk: Any
    sweep: Any

class rmap_plugin(Struct):
    vma_tail: int
    mm_tail: int
    caches: Array[rmap_cache]
    hooks: int

class rmap_search(Struct):
    walk: int
    file: bool
    exact: bool
    all: int
    mapped: int
    left: int
    found: int
    young: int
    ret: int
    asked: int

class rmap_tried(Struct):
    mm: int
    vma: int
    address: int
    verdict: int
    outcome: int
    probes: int
    cmps: int

class rw_semaphore(Struct):
    count: int
    wait_lock: int
    wait_list: list_head

class sample(Struct):
    time: int
    free: int
    active: int
    inactive: int
    swapped: int
    faults: int
    major: int
    si: int
    so: int

class sampling(Struct):
    samples: sample
    used: int
    room: int
    step: int
    due: int

class scan_tail(Struct):
    swap_address: int

class semaphore(Struct):
    count: int
    sleepers: int
    wait: wait_queue_head

class sharing(Struct):
    pages: int
    exclusive: int
    called_exclusive: int
    wrongly_shared: int
    wrong: int
    called_pss: int

class shmem_inode_info(Struct):
    swap_tree: radix_tree_root
    flags: int
    alloced: int
    swapped: int
    sb: int

class shmem_sb(Struct):
    max_blocks: int
    used: int

class slab(Struct):
    list: list_head
    colouroff: int
    s_mem: int
    inuse: int
    free: int

class swap_info(Struct):
    fd: int
    prio: int
    writeok: int
    max: int
    pages: int
    inuse: int
    lowest_bit: int
    highest_bit: int
    cluster_next: int
    cluster_nr: int
    nr_map_frames: int
    map_frames: Array[int]

class swap_run(Struct):
    entry: int
    n: int

class swap_state(Struct):
    info: Array[swap_info]
    writes: swap_run
    write_pages: Array[page]
    error: int
    error_write: int

class task_ids(Struct):
    pid: int
    tid: int
    ppid: int
    uid: int
    euid: int
    gid: int
    egid: int
    uid16: int
    euid16: int
    gid16: int
    egid16: int

class timer_list(Struct):
    entry: list_head
    expires: int
    lock: int
    magic: int
    function: int
    data: int
    base: int

class tlb_state(Struct):
    stale: int
    patience: int

class trace(Struct):
    ring: event
    size: int
    head: int
    happened: Array[int]
    told: int
    stop_at: int
    stopped: event
    sampling: sampling

class vm_area_struct(Struct):
    vm_mm: int
    vm_start: int
    vm_end: int
    vm_next: int
    vm_page_prot: int
    vm_flags: int
    vm_rb: rb_node
    vm_ops: int
    vm_pgoff: int
    vm_file: int
    vm_private_data: int

class vmemu(Struct):
    ram: Array[int]
    kernel_base: int
    ram_size: int
    ram_closed: int
    nr_frames: int
    top_level: int
    task_size: int
    unmapped_base: int
    mem_map: page
    k: kernel_data
    i_mmap: i_mmap_ops
    i_mmap_node: int
    rmap: rmap_ops
    rmap_plugged: rmap_ops
    rmap_option: Array[int]
    rmap_owners: int
    rmap_each_pte: int
    rmap_files: int
    layout: kernel_layout
    handle: Any
    page_cluster: int
    overcommit_memory: int
    overcommit_ratio: int
    vm_committed: int
    pid: int
    current_mm: mm_struct
    ids: task_ids
    regs: cpu_regs
    counter: Array[int]
    clock: clock
    trace: trace
    pages: page_state
    tlb: tlb_state
    fault: fault_state
    swap: swap_state
    inodes: inode
    most_inodes: int
    shmem_sb: Array[shmem_sb]
    candidate: candidate
    locks: lock_state
    watch: watch_state
    check: check_state
    cpu: cpu
    cpu_ops: cpu_ops
    bug: Array[bytes]
    trouble: int

class wait_queue_head(Struct):
    lock: int
    task_list: list_head

class watch_state(Struct):
    bits: int
    mutations: int
    steps: int
    watcher: watcher
    explorer: explorer
    rewinds: int

class watcher(Struct):
    step: Any
    touch: Any

class work_struct(Struct):
    pending: int
    entry: list_head
    func: int
    data: int
    wq_data: int
    timer: timer_list

class zone(Struct):
    lru_lock: int
    free_pages: int
    pages_min: int
    pages_low: int
    pages_high: int
    present_pages: int
    free_list: list_head
    active_list: list_head
    inactive_list: list_head
    nr_active: int
    nr_inactive: int
    nr_scan_active: int
    nr_scan_inactive: int
    pages_scanned: int
    prev_priority: int

avc_anon_vma_struct = avc_anon_vma
explore_step_struct = explore_step
frame_census_struct = frame_census
list_stamps_struct = list_stamps

class Lib:
    """The constants and functions of the core."""

    ACCESS_FETCH: int
    ACCESS_READ: int
    ACCESS_WRITE: int
    ADD_AGAIN: int
    ADD_BACK: int
    ADD_NEW: int
    AS_EIO: int
    AS_ENOSPC: int
    AVC_REUSE: int
    AVC_TREE: int
    BASE_FS: int
    BASE_GS: int
    BITS_PER_LONG: int
    BROKEN_SHOWN: int
    CACHE_address_space: int
    CACHE_anon_vma: int
    CACHE_anon_vma_chain: int
    CACHE_anonmm: int
    CACHE_avc_anon_vma: int
    CACHE_cow_context: int
    CACHE_cow_remap: int
    CACHE_mm_struct: int
    CACHE_pte_chain: int
    CACHE_radix_tree_node: int
    CACHE_rmap: int
    CACHE_vm_area_struct: int
    CAME_FORKED: int
    CAME_MAPPED: int
    CAME_MERGED: int
    CAME_MOVED: int
    CAME_SPLIT: int
    CHAIN_FILES: int
    CHAIN_LINE: int
    CLEAR_NS: int
    CLEAR_REFS_ANON: int
    CLEAR_REFS_MAPPED: int
    CNT_allocstall: int
    CNT_code_drop: int
    CNT_context_switch: int
    CNT_enosys: int
    CNT_fault_c: int
    CNT_fault_hook: int
    CNT_fault_outside: int
    CNT_fault_python: int
    CNT_file_ra: int
    CNT_file_referenced_cmp: int
    CNT_file_referenced_pages: int
    CNT_file_referenced_probes: int
    CNT_file_unmap_cmp: int
    CNT_file_unmap_pages: int
    CNT_file_unmap_probes: int
    CNT_fork_ptes: int
    CNT_i_mmap_nodes: int
    CNT_kswapd_run: int
    CNT_mremap_ptes: int
    CNT_nonlinear_clusters: int
    CNT_nonlinear_collateral: int
    CNT_nonlinear_ptes: int
    CNT_nonlinear_unmapped: int
    CNT_oom_kill: int
    CNT_pgactivate: int
    CNT_pgalloc: int
    CNT_pgcow: int
    CNT_pgdeactivate: int
    CNT_pgfault: int
    CNT_pgfree: int
    CNT_pgmajfault: int
    CNT_pgpgin: int
    CNT_pgpgout: int
    CNT_pgrefill: int
    CNT_pgscan: int
    CNT_pgsteal: int
    CNT_pgtable_alloc: int
    CNT_pgtable_free: int
    CNT_pgzero: int
    CNT_protect_ptes: int
    CNT_pswpin: int
    CNT_pswpout: int
    CNT_referenced_cmp: int
    CNT_referenced_pages: int
    CNT_referenced_probes: int
    CNT_rmap_chain_slots: int
    CNT_rmap_copies: int
    CNT_rmap_index_rewrites: int
    CNT_rmap_migrated: int
    CNT_rmap_repointed: int
    CNT_rmap_tree_nodes: int
    CNT_rmap_wasted: int
    CNT_shmem_alloc: int
    CNT_shmem_swapin: int
    CNT_shmem_swapout: int
    CNT_signals: int
    CNT_swap_cache_hit: int
    CNT_swap_ra: int
    CNT_swap_ra_hit: int
    CNT_swapin: int
    CNT_sweep_collateral: int
    CNT_sweep_mms: int
    CNT_sweep_ptes: int
    CNT_sweep_unmapped: int
    CNT_syscall_c: int
    CNT_syscalls: int
    CNT_tlb_fill: int
    CNT_tlb_flush: int
    CNT_tlb_grow: int
    CNT_unmap_cmp: int
    CNT_unmap_pages: int
    CNT_unmap_probes: int
    CNT_vm_flags_writes: int
    CNT_zap_ptes: int
    COPY_NS: int
    COW_REMAP_SIZE: int
    CPU_INSN_BYTES: int
    DEFAULT_LEVELS: int
    EV_cow: int
    EV_exec: int
    EV_exit: int
    EV_fault: int
    EV_fork: int
    EV_mark: int
    EV_mmap: int
    EV_mprotect: int
    EV_mremap: int
    EV_munmap: int
    EV_none: int
    EV_oom: int
    EV_reclaim: int
    EV_signal: int
    EV_swapin: int
    EV_swapout: int
    EV_swapread: int
    EV_switch: int
    EV_syscall: int
    EV_unmap: int
    EV_zero: int
    EXPLORE_ALL: int
    EXPLORE_DEADLOCK: int
    EXPLORE_DIVERGED: int
    EXPLORE_ENDED: int
    EXPLORE_ENDLESS: int
    EXPLORE_PATHS: int
    EXPLORE_RANDOM: int
    EXPLORE_REDUCED: int
    EXPLORE_STEPS: int
    FAULT_ACCERR: int
    FAULT_MAJOR: int
    FAULT_MAPERR: int
    FAULT_MINOR: int
    FAULT_NS: int
    FAULT_OOM: int
    FAULT_OUTSIDE: int
    FAULT_SIGBUS: int
    FILE_HOST: int
    FILE_SHMEM: int
    FILE_SWAP: int
    FRAME_anon: int
    FRAME_file: int
    FRAME_free: int
    FRAME_other: int
    FRAME_pagetable: int
    FRAME_reserved: int
    FRAME_slab: int
    FRAME_swapcache: int
    FRAME_swapmap: int
    GDT_PFN: int
    GFP_ATOMIC: int
    GFP_KERNEL: int
    GFP_ZERO: int
    HELD_READ: int
    HELD_TRY: int
    HOOK_BLOCKS: int
    KERNEL_DATA_PFN: int
    LAZY: int
    LOCK_i_mmap: int
    LOCK_lru: int
    LOCK_mmap_sem: int
    LOCK_page: int
    LOCK_page_map: int
    LOCK_page_table: int
    LOCK_rmap: int
    LOCK_swap: int
    MAX_HELD_LOCKS: int
    MAX_LEVELS: int
    MAX_RAM_MB: int
    MAX_READAHEAD: int
    MAX_RMAP_CACHES: int
    MAX_RMAP_OPTIONS: int
    MAX_RMAP_RULES: int
    MAX_SWAPFILES: int
    MUTATE_a: int
    MUTATE_b: int
    MUTATE_c: int
    MUTATE_d: int
    MUTATE_f: int
    MUTATE_g: int
    MUTATE_h: int
    NEXT_NONE: int
    NEXT_REJECT: int
    NEXT_TRY: int
    NO_SYSCALL: int
    NR_BASES: int
    NR_CACHES: int
    NR_COUNTERS: int
    NR_EVENTS: int
    NR_FILES: int
    NR_FILE_KINDS: int
    NR_FRAME_KINDS: int
    NR_FRAME_RULES: int
    NR_LOCK_CLASSES: int
    NR_OWNED: int
    NR_RADIX_TAGS: int
    NR_RMAP_CALLS: int
    NR_SHMEM_SB: int
    NR_SYSCALL_ARGS: int
    NR_UC_FUNCTIONS: int
    NR_VERDICTS: int
    OPTION_cow_prune: int
    OPTION_stop: int
    OUTCOME_gone: int
    OUTCOME_held: int
    OUTCOME_locked: int
    OUTCOME_none: int
    OUTCOME_old: int
    OUTCOME_young: int
    OVERCOMMIT_ALWAYS: int
    OVERCOMMIT_GUESS: int
    OVERCOMMIT_NEVER: int
    OWNED_anon_vma: int
    OWNED_anon_vma_list: int
    OWNED_anonmm_ring: int
    OWNED_avc_chain: int
    OWNED_avc_list: int
    OWNED_cow_remaps: int
    OWNED_cow_tree: int
    OWNED_i_mmap: int
    OWNED_lru: int
    OWNED_mapcount: int
    OWNED_mm_sizes: int
    OWNED_page_table: int
    OWNED_rmap: int
    OWNED_swap_address: int
    OWNED_swap_map: int
    OWNED_swap_mm: int
    OWNED_vm_flags: int
    OWNED_vma_list: int
    OWNED_vma_range: int
    PAGECACHE_TAG_DIRTY: int
    PAGECACHE_TAG_WRITEBACK: int
    PAGE_IO_NS: int
    PAGE_SHIFT: int
    PAGE_SIZE: int
    PG_active: int
    PG_anon: int
    PG_arch_1: int
    PG_buddy: int
    PG_direct: int
    PG_dirty: int
    PG_exclusive: int
    PG_exits: int
    PG_locked: int
    PG_lru: int
    PG_maplock: int
    PG_pgtable: int
    PG_reclaim: int
    PG_referenced: int
    PG_reserved: int
    PG_rewritten: int
    PG_slab: int
    PG_swapcache: int
    PG_uptodate: int
    PG_vmalloc: int
    PMD_SHIFT: int
    PTE_FILE: int
    PTE_FILE_MAX_BITS: int
    PTE_NONE: int
    PTE_PRESENT: int
    PTE_SWAP: int
    PTRS_PER_TABLE: int
    RADIX_TREE_ANY: int
    RDTSC_NS: int
    READ_CHUNK: int
    RMAP_ADD: int
    RMAP_ADD_AGAIN: int
    RMAP_ADD_BACK: int
    RMAP_CLASH: int
    RMAP_MOVE: int
    RMAP_OWN: int
    RMAP_PREPARE: int
    RMAP_PTE_COPY: int
    RMAP_PTE_MOVE: int
    RMAP_PTE_REMOVE: int
    RMAP_PUT: int
    RMAP_RANGE_CHANGED: int
    RMAP_RANGE_CHANGES: int
    RMAP_REMOVE: int
    RMAP_RESERVE: int
    RMAP_UNRESERVE: int
    RMAP_VMA_DUP: int
    RMAP_VMA_FREE: int
    RMAP_VMA_SPLIT: int
    RMAP_WALK_END: int
    RMAP_WALK_NEXT: int
    RMAP_WALK_REFERENCED: int
    RMAP_WALK_UNMAP: int
    RULE_active: int
    RULE_anon: int
    RULE_count: int
    RULE_free: int
    RULE_lru: int
    RULE_mapcount: int
    RULE_unlisted: int
    SCAN_NS: int
    STEP_add: int
    STEP_alloc: int
    STEP_lock: int
    STEP_read: int
    STEP_start: int
    STEP_trylock: int
    STEP_unlock: int
    STEP_write: int
    STOP_exclusive: int
    STOP_mapcount: int
    STOP_none: int
    STOP_owners: int
    SWAPFILE_CLUSTER: int
    SWAPPER_PG_DIR_PFN: int
    SWAP_AGAIN: int
    SWAP_CLUSTER_MAX: int
    SWAP_FAIL: int
    SWAP_MAP_BAD: int
    SWAP_MAP_MAX: int
    SWAP_SUCCESS: int
    SYSCALL_NS: int
    TABLE_BITS: int
    TASK_SIZE_PGDS: int
    TASK_UNMAPPED_BASE: int
    TRAP_EXCEPTION: int
    TRAP_FAULT: int
    TRAP_NONE: int
    TRAP_PREEMPT: int
    TRAP_STOP: int
    TRAP_SYSCALL: int
    TRIED_BUSY: int
    TRIED_DEAD: int
    TRIED_EMPTY: int
    TRIED_MATCH: int
    TRIED_PTE: int
    TRIED_RANGE: int
    VM_ACCOUNT: int
    VM_DONTCOPY: int
    VM_DONTDUMP: int
    VM_DONTEXPAND: int
    VM_EXEC: int
    VM_GROWSDOWN: int
    VM_LOCKED: int
    VM_LOCKONFAULT: int
    VM_LOCK_RMAP: int
    VM_MAYEXEC: int
    VM_MAYREAD: int
    VM_MAYSHARE: int
    VM_MAYWRITE: int
    VM_NONLINEAR: int
    VM_RAND_READ: int
    VM_READ: int
    VM_RESERVED: int
    VM_SEQ_READ: int
    VM_SHARED: int
    VM_WIPEONFORK: int
    VM_WRITE: int
    WALK_REFERENCED: int
    WALK_UNMAP: int
    WATCH_EXPLORE: int
    WATCH_LOCKS: int
    ZERO_PAGE_PFN: int
    _PAGE_ACCESSED: int
    _PAGE_DIRTY: int
    _PAGE_FILE: int
    _PAGE_PRESENT: int
    _PAGE_PROTNONE: int
    _PAGE_PSE: int
    _PAGE_RW: int
    _PAGE_SOFT_DIRTY: int
    _PAGE_USER: int
    _PAGE_WRITTEN: int
    def alloc_page(self, _0: vmemu, _1: int, /) -> page: ...
    def anon_vma_absorb(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, _3: int, /) -> None: ...
    def anon_vma_alloc(self, _0: vmemu, /) -> anon_vma: ...
    def anon_vma_dup(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, /) -> None: ...
    def anon_vma_free(self, _0: vmemu, _1: anon_vma, /) -> None: ...
    def anon_vma_install(self, _0: vmemu, _1: vm_area_struct, _2: anon_vma, /) -> int: ...
    def anon_vma_unlink(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def assert_owner(self, _0: vmemu, _1: int, _2: Any, _3: bytes | Any, /) -> None: ...
    def avc_anon_vma(self, _0: vm_area_struct, /) -> int: ...
    def avc_clone(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, /) -> int: ...
    def avc_prepare(self, _0: vmemu, _1: vm_area_struct, _2: int, /) -> int: ...
    def avc_singular(self, _0: vmemu, _1: vm_area_struct, /) -> int: ...
    def avc_unlink(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def change_protection(self, _0: vmemu, _1: mm_struct, _2: vm_area_struct, _3: int, _4: int, _5: int, /) -> None: ...
    def clear_referenced(self, _0: vmemu, _1: mm_struct, _2: int, /) -> None: ...
    def clear_soft_dirty(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def code_written(self, _0: vmemu, _1: page, /) -> None: ...
    def copy_from_user(self, _0: vmemu, _1: mm_struct, _2: Any, _3: int, _4: int, /) -> int: ...
    def copy_page_range(self, _0: vmemu, _1: mm_struct, _2: mm_struct, _3: vm_area_struct, /) -> int: ...
    def copy_to_user(self, _0: vmemu, _1: mm_struct, _2: int, _3: Any, _4: int, /) -> int: ...
    def count_areas(self, _0: vmemu, _1: address_space, /) -> int: ...
    def cow_context_forget(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def cow_context_move(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, _4: int, _5: int, /) -> int: ...
    def cow_context_offset(self, _0: vmemu, _1: mm_struct, _2: int, /) -> int: ...
    def cpu_call_ends(self, _0: vmemu, _1: int, /) -> int: ...
    def cpu_context_clone(self, _0: vmemu, _1: cpu_context, /) -> cpu_context: ...
    def cpu_context_free(self, _0: vmemu, _1: cpu_context, /) -> None: ...
    def cpu_context_new(self, _0: vmemu, /) -> cpu_context: ...
    def cpu_context_regs(self, _0: vmemu, _1: cpu_context, /) -> cpu_regs: ...
    def cpu_context_reset(self, _0: vmemu, _1: cpu_context, /) -> None: ...
    def cpu_counts_blocks(self, _0: vmemu, /) -> int: ...
    def cpu_exit(self, _0: vmemu, /) -> None: ...
    def cpu_fxrstor(self, _0: vmemu, _1: Any, /) -> None: ...
    def cpu_fxsave(self, _0: vmemu, _1: Any, /) -> None: ...
    def cpu_get_base(self, _0: vmemu, _1: int, /) -> int: ...
    def cpu_get_tls(self, _0: vmemu, _1: cpu_context, _2: int, /) -> int: ...
    def cpu_guard(self, _0: int, /) -> None: ...
    def cpu_init(self, _0: vmemu, _1: Any, /) -> int: ...
    def cpu_insn_length(self, _0: Any, /) -> int: ...
    def cpu_load(self, _0: bytes | Any, _1: Any, /) -> Array[bytes]: ...
    def cpu_request_stop(self, _0: vmemu, /) -> None: ...
    def cpu_run(self, _0: vmemu, /) -> int: ...
    def cpu_run_to_call(self, _0: vmemu, /) -> int: ...
    def cpu_set_base(self, _0: vmemu, _1: cpu_context, _2: int, _3: int, /) -> None: ...
    def cpu_set_preempt(self, _0: vmemu, _1: int, /) -> None: ...
    def cpu_set_tls(self, _0: vmemu, _1: cpu_context, _2: int, _3: int, /) -> None: ...
    def cpu_spare(self, _0: Any, /) -> int: ...
    def cpu_stop_pending(self, _0: vmemu, /) -> int: ...
    def cpu_switch(self, _0: vmemu, _1: cpu_context, _2: mm_struct, /) -> None: ...
    def deactivate_page(self, _0: vmemu, _1: page, /) -> None: ...
    def device_write(self, _0: vmemu, _1: page, _2: int, _3: int, /) -> None: ...
    def down_read(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def down_write(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def drop_code(self, _0: vmemu, /) -> None: ...
    def drop_lock(self, _0: vmemu, _1: int, _2: int, /) -> None: ...
    def dup_mmap(self, _0: vmemu, _1: mm_struct, _2: mm_struct, /) -> int: ...
    def exit_mmap(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def explore_advance(self, _0: vmemu, /) -> int: ...
    def explore_begin(self, _0: vmemu, _1: int, _2: explore_options, /) -> bool: ...
    def explore_choose(self, _0: vmemu, /) -> int: ...
    def explore_digest(self, _0: vmemu, /) -> int: ...
    def explore_end(self, _0: vmemu, /) -> None: ...
    def explore_exit(self, _0: vmemu, /) -> None: ...
    def explore_outcome(self, _0: vmemu, /) -> int: ...
    def explore_pending(self, _0: vmemu, _1: int, /) -> explore_step_struct: ...
    def explore_prescribe(self, _0: vmemu, _1: Any, _2: int, /) -> None: ...
    def explore_redundant(self, _0: vmemu, /) -> int: ...
    def explore_start(self, _0: vmemu, /) -> None: ...
    def explore_step(self, _0: vmemu, _1: int, _2: int, _3: int, /) -> None: ...
    def explore_steps(self, _0: vmemu, _1: Any, /) -> explore_step_struct: ...
    def explore_stop(self, _0: vmemu, /) -> None: ...
    def file_close(self, _0: vmemu, _1: address_space, /) -> None: ...
    def file_mapped(self, _0: vmemu, _1: address_space, /) -> int: ...
    def file_open(self, _0: vmemu, _1: int, _2: int, _3: int, /) -> address_space: ...
    def file_zeroed(self, _0: vmemu, _1: address_space, _2: int, _3: int, /) -> None: ...
    def filemap_fdatawrite(self, _0: vmemu, _1: address_space, /) -> int: ...
    def filemap_populate(self, _0: vmemu, _1: vm_area_struct, _2: int, _3: int, _4: int, _5: int, /) -> int: ...
    def filemap_sync(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> None: ...
    def find_get_page(self, _0: vmemu, _1: address_space, _2: int, /) -> page: ...
    def find_i_mmap(self, _0: bytes | Any, /) -> i_mmap_ops: ...
    def find_vma(self, _0: vmemu, _1: mm_struct, _2: int, /) -> vm_area_struct: ...
    def find_vma_prev(self, _0: vmemu, _1: mm_struct, _2: int, _3: Any, /) -> vm_area_struct: ...
    def flush_tlb(self, _0: vmemu, /) -> None: ...
    def force_page_cache_readahead(self, _0: vmemu, _1: address_space, _2: int, _3: int, /) -> None: ...
    def frame_census(self, _0: vmemu, _1: Any, _2: frame_census_struct, /) -> int: ...
    def frame_kind_name(self, _0: int, /) -> Array[bytes]: ...
    def frame_kinds(self, _0: vmemu, _1: Any, _2: Any, /) -> None: ...
    def frames_with(self, _0: vmemu, _1: int, _2: Any, _3: int, /) -> int: ...
    def free_pgtables(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> None: ...
    def generic_file_read(self, _0: vmemu, _1: address_space, _2: int, _3: Any, _4: int, _5: file_ra_state, /) -> int: ...
    def generic_file_write(self, _0: vmemu, _1: address_space, _2: int, _3: Any, _4: int, /) -> int: ...
    def get_page(self, _0: vmemu, _1: page, /) -> None: ...
    def get_swap_page(self, _0: vmemu, /) -> int: ...
    def get_unmapped_area(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, _4: int, _5: int, /) -> int: ...
    def get_user_page(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> page: ...
    def handle_pte_fault(self, _0: vmemu, _1: mm_struct, _2: vm_area_struct, _3: int, _4: int, /) -> int: ...
    def i_mmap_areas(self, _0: vmemu, _1: address_space, _2: Any, _3: int, /) -> int: ...
    def i_mmap_empty(self, _0: vmemu, _1: address_space, /) -> int: ...
    def i_mmap_range(self, _0: vmemu, _1: address_space, _2: int, _3: int, _4: Any, _5: int, /) -> int: ...
    def i_size_read(self, _0: vmemu, _1: address_space, /) -> int: ...
    def inode_of(self, _0: vmemu, _1: address_space, /) -> inode: ...
    def invalidate_mapping_pages(self, _0: vmemu, _1: address_space, _2: int, _3: int, /) -> int: ...
    def kmem_cache_alloc(self, _0: vmemu, _1: int, _2: int, /) -> Any: ...
    def kmem_cache_free(self, _0: vmemu, _1: int, _2: Any, /) -> None: ...
    def kmem_cache_owns(self, _0: vmemu, _1: int, _2: int, /) -> int: ...
    def lazy_absorb(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, /) -> int: ...
    def lazy_can_merge(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, /) -> int: ...
    def lazy_clone(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, /) -> int: ...
    def lazy_has_anon(self, _0: vmemu, _1: vm_area_struct, /) -> int: ...
    def lazy_own(self, _0: vm_area_struct, /) -> int: ...
    def lazy_prepare(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def list_stamps(self, _0: vmemu, _1: vm_area_struct, /) -> list_stamps_struct: ...
    def lock_order_allows(self, _0: int, _1: int, /) -> int: ...
    def lock_page_table(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def lock_sleeps(self, _0: int, /) -> int: ...
    def lockdep_nest(self, _0: vmemu, /) -> None: ...
    def lockdep_path_ends(self, _0: vmemu, _1: bytes | Any, /) -> None: ...
    def lookup_swap_cache(self, _0: vmemu, _1: int, /) -> page: ...
    def lru_cache_add(self, _0: vmemu, _1: page, /) -> None: ...
    def lru_cache_add_active(self, _0: vmemu, _1: page, /) -> None: ...
    def madvise_cold(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> None: ...
    def madvise_pageout(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> int: ...
    def make_pages_present(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, _4: int, /) -> int: ...
    def mark_page_accessed(self, _0: vmemu, _1: page, /) -> None: ...
    def mm_account(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> None: ...
    def mm_alloc(self, _0: vmemu, /) -> mm_struct: ...
    def mm_free(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def mm_ptes(self, _0: vmemu, _1: mm_struct, _2: Any, _3: Any, _4: int, /) -> int: ...
    def mode_beneath(self, _0: int, _1: bytes | Any, _2: bytes | Any, /) -> int: ...
    def move_page_tables(self, _0: vmemu, _1: mm_struct, _2: vm_area_struct, _3: int, _4: vm_area_struct, _5: int, _6: int, /) -> int: ...
    def next_mapped(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> int: ...
    def owned_field_name(self, _0: rmap_ops, _1: int, /) -> Array[bytes]: ...
    def owned_field_rule(self, _0: rmap_ops, _1: int, /) -> Array[bytes]: ...
    def page_add_anon_rmap(self, _0: vmemu, _1: page, _2: vm_area_struct, _3: int, /) -> None: ...
    def page_add_file_rmap(self, _0: vmemu, _1: page, _2: Any, /) -> None: ...
    def page_fault(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> int: ...
    def page_fault_locked(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> int: ...
    def page_referenced(self, _0: vmemu, _1: page, /) -> int: ...
    def page_remove_rmap(self, _0: vmemu, _1: page, _2: mm_struct, _3: Any, /) -> None: ...
    def page_to_pfn(self, _0: vmemu, _1: page, /) -> int: ...
    def pageout_range(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> int: ...
    def pte_alloc(self, _0: vmemu, _1: mm_struct, _2: int, /) -> Array[int]: ...
    def pte_chain_line(self, _0: vmemu, /) -> int: ...
    def pte_chain_slots(self, _0: vmemu, /) -> int: ...
    def pte_kind_at(self, _0: vmemu, _1: mm_struct, _2: int, /) -> int: ...
    def pte_offset(self, _0: vmemu, _1: mm_struct, _2: int, /) -> Array[int]: ...
    def pte_value(self, _0: vmemu, _1: mm_struct, _2: int, /) -> int: ...
    def put_page(self, _0: vmemu, _1: page, /) -> None: ...
    def ram_by_need(self, /) -> None: ...
    def ram_kept(self, /) -> int: ...
    def ram_share_store(self, _0: int, /) -> None: ...
    def ram_store(self, /) -> int: ...
    def read_swap_cache(self, _0: vmemu, _1: int, _2: int, _3: Any, /) -> page: ...
    def read_to_user(self, _0: vmemu, _1: address_space, _2: int, _3: mm_struct, _4: int, _5: int, _6: file_ra_state, /) -> int: ...
    def readlink_beneath(self, _0: int, _1: bytes | Any, _2: bytes | Any, _3: bytes | Any, _4: int, /) -> int: ...
    def reclaim_page(self, _0: vmemu, _1: page, /) -> int: ...
    def refill_inactive_zone(self, _0: vmemu, _1: int, _2: int, /) -> None: ...
    def release_pages(self, _0: vmemu, _1: Any, _2: int, /) -> None: ...
    def remove_exclusive_swap_page(self, _0: vmemu, _1: page, /) -> int: ...
    def remove_from_page_cache(self, _0: vmemu, _1: page, /) -> None: ...
    def rmap_ask(self, _0: vmemu, _1: page, _2: int, _3: rmap_log, /) -> None: ...
    def rmap_missing(self, _0: vmemu, _1: candidate, _2: Any, _3: int, _4: int, /) -> int: ...
    def rmap_mm_dup(self, _0: vmemu, _1: mm_struct, _2: mm_struct, /) -> int: ...
    def rmap_mm_exit(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def rmap_mm_init(self, _0: vmemu, _1: mm_struct, /) -> int: ...
    def shmem_close(self, _0: vmemu, _1: address_space, /) -> None: ...
    def shmem_fill(self, _0: vmemu, _1: address_space, _2: int, /) -> int: ...
    def shmem_find(self, _0: vmemu, _1: address_space, _2: int, _3: int, /) -> int: ...
    def shmem_max_blocks(self, _0: vmemu, _1: int, /) -> int: ...
    def shmem_next_entry(self, _0: vmemu, _1: address_space, _2: Any, /) -> int: ...
    def shmem_open(self, _0: vmemu, _1: int, _2: int, _3: int, /) -> address_space: ...
    def shmem_read(self, _0: vmemu, _1: address_space, _2: int, _3: Any, _4: int, /) -> int: ...
    def shmem_truncate_range(self, _0: vmemu, _1: address_space, _2: int, _3: int, /) -> None: ...
    def shmem_unuse(self, _0: vmemu, _1: int, /) -> int: ...
    def shmem_write(self, _0: vmemu, _1: address_space, _2: int, _3: Any, _4: int, /) -> int: ...
    def shrink_cache(self, _0: vmemu, _1: int, /) -> int: ...
    def stop_after(self, _0: vmemu, _1: page, /) -> int: ...
    def stop_frames(self, _0: Any, _1: int, /) -> int: ...
    def strncpy_from_user(self, _0: vmemu, _1: mm_struct, _2: Any, _3: int, _4: int, /) -> int: ...
    def swap_add(self, _0: vmemu, _1: int, _2: int, _3: int, /) -> int: ...
    def swap_count(self, _0: vmemu, _1: int, /) -> int: ...
    def swap_drop_cache(self, _0: vmemu, _1: int, /) -> int: ...
    def swap_duplicate(self, _0: vmemu, _1: int, /) -> int: ...
    def swap_free(self, _0: vmemu, _1: int, /) -> int: ...
    def swap_remove(self, _0: vmemu, _1: int, /) -> None: ...
    def swap_set_writeok(self, _0: vmemu, _1: int, _2: int, /) -> None: ...
    def swap_slots(self, _0: vmemu, _1: int, _2: Any, _3: Any, _4: int, /) -> int: ...
    def swap_total(self, _0: vmemu, /) -> int: ...
    def swap_used(self, _0: vmemu, /) -> int: ...
    def sync_mms(self, _0: vmemu, /) -> None: ...
    def take_lock(self, _0: vmemu, _1: int, _2: int, /) -> None: ...
    def try_lock(self, _0: vmemu, _1: int, _2: int, /) -> int: ...
    def try_to_unmap(self, _0: vmemu, _1: page, /) -> int: ...
    def unlock_page_table(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def unmap_vmas(self, _0: vmemu, _1: mm_struct, _2: int, _3: int, /) -> None: ...
    def unuse_mm(self, _0: vmemu, _1: mm_struct, _2: int, /) -> int: ...
    def up_read(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def up_write(self, _0: vmemu, _1: mm_struct, /) -> None: ...
    def vm_enough_memory(self, _0: vmemu, _1: int, /) -> int: ...
    def vm_page_prot(self, _0: int, /) -> int: ...
    def vma_adjust(self, _0: vmemu, _1: vm_area_struct, _2: int, _3: int, _4: vm_area_struct, /) -> None: ...
    def vma_alloc(self, _0: vmemu, /) -> vm_area_struct: ...
    def vma_anon_vma(self, _0: vm_area_struct, /) -> int: ...
    def vma_came_from(self, _0: vmemu, _1: vm_area_struct, _2: int, _3: int, /) -> None: ...
    def vma_copy(self, _0: vmemu, _1: vm_area_struct, _2: vm_area_struct, /) -> None: ...
    def vma_expand_down(self, _0: vmemu, _1: vm_area_struct, _2: int, /) -> int: ...
    def vma_file_unlink(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def vma_free(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def vma_link(self, _0: vmemu, _1: mm_struct, _2: vm_area_struct, /) -> None: ...
    def vma_permits(self, _0: vm_area_struct, _1: int, /) -> int: ...
    def vma_set_flags(self, _0: vmemu, _1: vm_area_struct, _2: int, /) -> None: ...
    def vma_set_nonlinear(self, _0: vmemu, _1: vm_area_struct, /) -> None: ...
    def vma_unlink(self, _0: vmemu, _1: mm_struct, _2: vm_area_struct, /) -> None: ...
    def vmemu_boot_frames(self, _0: int, /) -> int: ...
    def vmemu_cache_name(self, _0: vmemu, _1: int, /) -> Array[bytes]: ...
    def vmemu_close(self, _0: vmemu, /) -> None: ...
    def vmemu_counter_name(self, _0: int, /) -> Array[bytes]: ...
    def vmemu_event(self, _0: vmemu, _1: int, _2: int, _3: int, _4: int, /) -> None: ...
    def vmemu_event_name(self, _0: int, /) -> Array[bytes]: ...
    def vmemu_free(self, _0: vmemu, /) -> None: ...
    def vmemu_i_mmap_name(self, _0: int, /) -> Array[bytes]: ...
    def vmemu_kaddr(self, _0: vmemu, _1: Any, /) -> int: ...
    def vmemu_lock_name(self, _0: rmap_ops, _1: int, /) -> Array[bytes]: ...
    def vmemu_new(self, _0: int, _1: bytes | Any, _2: bytes | Any, _3: Any, _4: rmap_plugin, _5: int, _6: int, _7: int, _8: int, _9: kernel_layout, /) -> vmemu: ...
    def vmemu_page_offset(self, /) -> int: ...
    def vmemu_read_sample(self, _0: vmemu, _1: sample, /) -> None: ...
    def vmemu_rmap_name(self, _0: int, /) -> Array[bytes]: ...
    def vmemu_sample(self, _0: vmemu, _1: sample, _2: int, _3: int, /) -> None: ...
    def vmemu_set_entries(self, _0: Any, _1: Any, _2: Any, _3: Any, /) -> None: ...
    def vmemu_sharing(self, _0: vmemu, /) -> sharing: ...
    def vmemu_stop_at(self, _0: vmemu, _1: int, /) -> None: ...
    def vmtruncate(self, _0: vmemu, _1: address_space, _2: int, _3: int, /) -> None: ...
    def zap_nonlinear(self, _0: vmemu, _1: vm_area_struct, _2: int, _3: int, _4: int, _5: int, /) -> None: ...
    def zap_page_range(self, _0: vmemu, _1: mm_struct, _2: vm_area_struct, _3: int, _4: int, /) -> None: ...

ffi: Any
lib: Lib
