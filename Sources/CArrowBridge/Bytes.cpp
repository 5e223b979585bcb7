#include <arrow/io/compressed.h>
#include <arrow/io/file.h>
#include <arrow/util/compression.h>
#include <arrow/util/io_util.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "Failure.hpp"

using namespace bridge;

namespace {

/// read(2) as Arrow wants it; pipes and terminals work too. The descriptor 0 is not closed.
class DescriptorStream final : public arrow::io::InputStream {
 public:
  explicit DescriptorStream(int descriptor) : descriptor_(descriptor) {
    set_mode(arrow::io::FileMode::READ);
  }
  ~DescriptorStream() override { (void)Close(); }

  arrow::Status Close() override {
    if (descriptor_ > 0) ::close(descriptor_);
    descriptor_ = -1;
    return arrow::Status::OK();
  }
  bool closed() const override { return descriptor_ < 0; }
  arrow::Result<int64_t> Tell() const override { return position_; }

  /// The first bytes, which the next `Read` delivers again.
  std::string peek() {
    char head[4];
    const int64_t got = Read(4, head).ValueOr(0);
    position_ = 0;
    pushed_back_.assign(head, static_cast<size_t>(got));
    return pushed_back_;
  }

  arrow::Result<int64_t> Read(int64_t capacity, void *out) override {
    int64_t filled = std::min(capacity, static_cast<int64_t>(pushed_back_.size()));
    std::memcpy(out, pushed_back_.data(), static_cast<size_t>(filled));
    pushed_back_.erase(0, static_cast<size_t>(filled));
    while (filled < capacity) {
      const ssize_t got = ::read(
          descriptor_, static_cast<char *>(out) + filled, static_cast<size_t>(capacity - filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw Failure{ARROW_BRIDGE_IO, std::strerror(errno), ""};
      if (got == 0) break;
      filled += got;
    }
    position_ += filled;
    return filled;
  }

  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t capacity) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(capacity));
    ARROW_ASSIGN_OR_RAISE(const int64_t filled, Read(capacity, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(filled));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  int descriptor_;
  int64_t position_ = 0;
  std::string pushed_back_;
};

int open_descriptor(const char *path) {
  if (std::strcmp(path, "-") == 0) return 0;
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    check(arrow::internal::StatusFromErrno(errno, arrow::StatusCode::IOError, "open"));
  }
  struct stat status {};
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    ::close(descriptor);
    throw Failure{ARROW_BRIDGE_BAD_DATA, "it is a folder", ""};
  }
  (void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_SEQUENTIAL);
  return descriptor;
}

}  // namespace

struct ArrowBridgeBytes {
  std::shared_ptr<DescriptorStream> raw;
  std::unique_ptr<arrow::util::Codec> codec;
  std::shared_ptr<arrow::io::InputStream> stream;
  int64_t limit = 0;
  int64_t delivered = 0;
};

extern "C" {

ArrowBridgeBytes *arrow_bridge_bytes_open(
    const char *path, int32_t compression, int64_t limit, ArrowBridgeError *error) {
  ArrowBridgeBytes *result = nullptr;
  guarded(error, Doing::reading, [&] {
    auto bytes = std::make_unique<ArrowBridgeBytes>();
    bytes->raw = std::make_shared<DescriptorStream>(open_descriptor(path));
    bytes->stream = bytes->raw;
    bytes->limit = limit;
    const std::string head = bytes->raw->peek();
    if (head.compare(0, 4, "PK\x03\x04") == 0) {
      throw Failure{ARROW_BRIDGE_BAD_DATA, "it is a zip archive", ""};
    }
    if (head.compare(0, 4, "PAR1") == 0) {
      throw Failure{ARROW_BRIDGE_BAD_DATA, "it is a Parquet file", ""};
    }
    if (compression == ARROW_BRIDGE_BY_CONTENT) {
      compression = head.compare(0, 2, "\x1f\x8b") == 0 ? ARROW_BRIDGE_GZIP
          : head.compare(0, 4, "\x28\xb5\x2f\xfd") == 0 ? ARROW_BRIDGE_ZSTD
                                                       : ARROW_BRIDGE_PLAIN;
    }
    if (compression != ARROW_BRIDGE_PLAIN) {
      bytes->codec = take(arrow::util::Codec::Create(
          compression == ARROW_BRIDGE_GZIP ? arrow::Compression::GZIP : arrow::Compression::ZSTD));
      bytes->stream =
          take(arrow::io::CompressedInputStream::Make(bytes->codec.get(), bytes->raw));
    }
    result = bytes.release();
  });
  return result;
}

int64_t arrow_bridge_bytes_read(
    ArrowBridgeBytes *bytes, void *buffer, int64_t capacity, ArrowBridgeError *error) {
  int64_t filled = 0;
  const bool done = guarded(error, Doing::reading, [&] {
    while (filled < capacity) {
      const int64_t got =
          take(bytes->stream->Read(capacity - filled, static_cast<char *>(buffer) + filled));
      if (got == 0) break;
      filled += got;
    }
    bytes->delivered += filled;
    if (bytes->limit > 0 && bytes->delivered > bytes->limit) {
      throw Failure{
          ARROW_BRIDGE_BAD_DATA,
          "it decompresses to more than " + std::to_string(bytes->limit) + " bytes", ""};
    }
  });
  return done ? filled : -1;
}

int64_t arrow_bridge_bytes_consumed(const ArrowBridgeBytes *bytes) {
  return bytes->raw->Tell().ValueOr(0);
}

void arrow_bridge_bytes_close(ArrowBridgeBytes *bytes) { delete bytes; }
}
