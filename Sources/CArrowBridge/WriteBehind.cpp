#include "WriteBehind.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

namespace bridge {

WriteBehind::WriteBehind(std::shared_ptr<arrow::io::FileOutputStream> file)
    : file_(std::move(file)) {
  set_mode(arrow::io::FileMode::WRITE);
  filling_.reserve(chunk_bytes);
  thread_ = std::thread([this] { run(); });
}

WriteBehind::~WriteBehind() {
  {
    const std::lock_guard lock(mutex_);
    waiting_.clear();
  }
  stop();
}

arrow::Status WriteBehind::Write(const void *data, int64_t bytes) {
  auto next = static_cast<const uint8_t *>(data);
  position_ += bytes;
  while (bytes > 0) {
    const auto part = std::min<int64_t>(bytes, chunk_bytes - filling_.size());
    filling_.insert(filling_.end(), next, next + part);
    next += part;
    bytes -= part;
    if (filling_.size() == chunk_bytes) pass_on();
  }
  const std::lock_guard lock(mutex_);
  return status_;
}

arrow::Status WriteBehind::Close() {
  if (is_closed_) return arrow::Status::OK();
  is_closed_ = true;
  if (!filling_.empty()) pass_on();
  stop();
  const auto closed = file_->Close();
  return status_.ok() ? closed : status_;
}

/// Gives a chunk to the thread, once there is room.
void WriteBehind::pass_on() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.size() < most_waiting; });
  waiting_.push_back(std::move(filling_));
  if (spare_.empty()) {
    filling_ = Chunk();
    filling_.reserve(chunk_bytes);
  } else {
    filling_ = std::move(spare_.back());
    spare_.pop_back();
    filling_.clear();
  }
  changed_.notify_all();
}

/// Ends the thread when nothing waits any more.
void WriteBehind::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

/// Has the disk begin, so that little is left to wait for when the file is synchronised.
void WriteBehind::begin_storing(size_t bytes) {
  written_ += bytes;
  if (written_ - asked_ < stored_at_once) return;
#ifdef __linux__
  // Of files only, and no more than a hint.
  (void)sync_file_range(
      file_->file_descriptor(), asked_, written_ - asked_, SYNC_FILE_RANGE_WRITE);
#endif
  asked_ = written_;
}

void WriteBehind::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return !waiting_.empty() || is_ending_; });
    if (waiting_.empty()) return;
    auto chunk = std::move(waiting_.front());
    waiting_.pop_front();
    // After a failure the rest is taken and dropped, so that no giver waits for ever.
    if (status_.ok()) {
      lock.unlock();
      auto status = file_->Write(chunk.data(), static_cast<int64_t>(chunk.size()));
      if (status.ok()) begin_storing(chunk.size());
      lock.lock();
      if (!status.ok()) status_ = std::move(status);
    }
    spare_.push_back(std::move(chunk));
    changed_.notify_all();
  }
}

}  // namespace bridge
