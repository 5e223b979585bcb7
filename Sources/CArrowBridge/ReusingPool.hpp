// Memory for decoding that is used again instead of being handed back to the kernel.
#pragma once

#include <arrow/memory_pool.h>

namespace bridge {

/// The pool that files are decoded in.
///
/// Every row group needs the same few buffers of the same sizes. Allocators return blocks of that
/// size to the kernel and get them back zeroed, page fault by page fault: 37 % of the time of a
/// fold was spent there. This pool keeps freed blocks by size class, up to a limit.
arrow::MemoryPool *reusing_pool();

/// Gives the kept blocks back; called when a reading is over.
void release_reusing_pool();

}  // namespace bridge
