//! `xfs`: file systems of that type, by device.

use crate::collector::{Failure, Outcome};
use crate::families::Families;
use crate::files;
use crate::parse;
use crate::roots::Roots;

/// A line of the file, how many numbers it has at least, and the metrics in their order ("" has none).
type Line = (&'static str, usize, &'static [(&'static str, &'static str)]);

const LINES: &[Line] = &[
    (
        "extent_alloc",
        4,
        &[
            ("extent_allocation_extents_allocated_total", "Extents allocated."),
            ("extent_allocation_blocks_allocated_total", "Blocks allocated."),
            ("extent_allocation_extents_freed_total", "Extents freed."),
            ("extent_allocation_blocks_freed_total", "Blocks freed."),
        ],
    ),
    (
        "abt",
        4,
        &[
            ("allocation_btree_lookups_total", "Searches in the tree of free space."),
            ("allocation_btree_compares_total", "Comparisons in the tree of free space."),
            ("allocation_btree_records_inserted_total", "Records put into the tree of free space."),
            ("allocation_btree_records_deleted_total", "Records taken from the tree of free space."),
        ],
    ),
    (
        "blk_map",
        7,
        &[
            ("block_mapping_reads_total", "Blocks looked up for reading."),
            ("block_mapping_writes_total", "Blocks looked up for writing."),
            ("block_mapping_unmaps_total", "Blocks given up."),
            ("block_mapping_extent_list_insertions_total", "Extents put into lists."),
            ("block_mapping_extent_list_deletions_total", "Extents taken from lists."),
            ("block_mapping_extent_list_lookups_total", "Searches in lists of extents."),
            ("block_mapping_extent_list_compares_total", "Comparisons in lists of extents."),
        ],
    ),
    (
        "bmbt",
        4,
        &[
            ("block_map_btree_lookups_total", "Searches in trees of blocks."),
            ("block_map_btree_compares_total", "Comparisons in trees of blocks."),
            ("block_map_btree_records_inserted_total", "Records put into trees of blocks."),
            ("block_map_btree_records_deleted_total", "Records taken from trees of blocks."),
        ],
    ),
    (
        "dir",
        4,
        &[
            ("directory_operation_lookup_total", "Names looked up that were not cached."),
            ("directory_operation_create_total", "Names made."),
            ("directory_operation_remove_total", "Names removed."),
            ("directory_operation_getdents_total", "Folders listed."),
        ],
    ),
    (
        "ig",
        7,
        &[
            ("inode_operation_attempts_total", "Inodes looked for in the cache."),
            ("inode_operation_found_total", "Inodes found in the cache."),
            ("inode_operation_recycled_total", "Inodes found while they were recycled."),
            ("inode_operation_missed_total", "Inodes not found in the cache."),
            ("inode_operation_duplicates_total", "Inodes that somebody else had put into the cache."),
            ("inode_operation_reclaims_total", "Inodes taken from the cache to free memory."),
            ("inode_operation_attribute_changes_total", "Changes of inodes' attributes."),
        ],
    ),
    ("rw", 2, &[("write_calls_total", "Writes."), ("read_calls_total", "Reads.")]),
    (
        "vnodes",
        7,
        &[
            ("vnode_active_total", "Nodes that are not on free lists."),
            ("vnode_allocate_total", "Nodes allocated."),
            ("vnode_get_total", "Nodes got."),
            ("vnode_hold_total", "Nodes held."),
            ("vnode_release_total", "Nodes released."),
            ("vnode_reclaim_total", "Nodes reclaimed."),
            ("vnode_remove_total", "Nodes removed."),
        ],
    ),
];

pub(super) fn collect(roots: &Roots, out: &mut Families) -> Outcome {
    let root = roots.sys("fs/xfs");
    for device in files::list_if_present(&root)? {
        let Some(text) = files::read_if_present(root.join(&device).join("stats/stats"))? else { continue };
        for (key, least, metrics) in LINES {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
            let numbers =
                line.map(|line| line.split_whitespace().map(|word| parse::number::<u32>(word, key)).collect());
            let numbers = numbers.transpose()?.unwrap_or_else(|| vec![0; *least]);
            if numbers.len() < *least {
                return Err(Failure::new(format!("{device}: {key} has {} numbers instead of {least}", numbers.len())));
            }
            for ((metric, help), value) in metrics.iter().zip(&numbers) {
                out.counter(&format!("node_xfs_{metric}"), help, &[("device", &device)], *value);
            }
        }
    }
    Ok(())
}
