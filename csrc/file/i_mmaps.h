/*
 * file/i_mmaps.h - what areas of files can be kept in, a line for each: I_MMAP(NAME)
 * stands for i_mmap_NAME of file/i_mmap_NAME.c.
 */
/* clang-format off */
I_MMAP(list)
I_MMAP(prio_tree)
I_MMAP(interval_tree)
/* clang-format on */
