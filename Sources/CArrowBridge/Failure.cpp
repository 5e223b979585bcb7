#include "Failure.hpp"

#include <arrow/util/config.h>
#include <arrow/util/io_util.h>
#include <parquet/exception.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace bridge {

namespace {

int32_t kind_from_errno(int code, Doing doing) {
  switch (code) {
    case EACCES:
    case EPERM:
    case EROFS:
      return ARROW_BRIDGE_PERMISSION;
    case ENOMEM:
      return ARROW_BRIDGE_OUT_OF_MEMORY;
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
    case ENXIO:
      if (doing == Doing::creating) return ARROW_BRIDGE_CANNOT_CREATE;
      return doing == Doing::writing ? ARROW_BRIDGE_IO : ARROW_BRIDGE_NOT_FOUND;
    default:
      return ARROW_BRIDGE_IO;
  }
}

std::string first_line(const std::string &text) { return text.substr(0, text.find('\n')); }

void fill(ArrowBridgeError *error, const Failure &failure) {
  error->kind = failure.kind;
  error->message = strdup(failure.message.c_str());
  error->column = failure.column.empty() ? nullptr : strdup(failure.column.c_str());
  error->row = failure.row;
  error->status = failure.status;
  std::strncpy(error->sqlstate, failure.sqlstate.c_str(), sizeof error->sqlstate - 1);
}

}  // namespace

Failure failure_from(const arrow::Status &status, Doing doing) {
  const int code = arrow::internal::ErrnoFromStatus(status);
  if (code != 0) return {kind_from_errno(code, doing), std::strerror(code), ""};
  const std::string message = first_line(status.message());
  if (status.IsOutOfMemory()) return {ARROW_BRIDGE_OUT_OF_MEMORY, message, ""};
  if (status.IsNotImplemented()) return {ARROW_BRIDGE_UNSUPPORTED, message, ""};
  return {doing == Doing::reading ? ARROW_BRIDGE_BAD_DATA : ARROW_BRIDGE_IO, message, ""};
}

bool guarded(ArrowBridgeError *error, Doing doing, const std::function<void()> &body) noexcept {
  *error = {0, nullptr, nullptr, -1, 0, {}};
  try {
    body();
    return true;
  } catch (const Failure &failure) {
    fill(error, failure);
  } catch (const parquet::ParquetStatusException &exception) {
    fill(error, failure_from(exception.status(), doing));
  } catch (const std::bad_alloc &) {
    fill(error, {ARROW_BRIDGE_OUT_OF_MEMORY, "not enough memory", ""});
  } catch (const std::exception &exception) {
    const int32_t kind = doing == Doing::reading ? ARROW_BRIDGE_BAD_DATA : ARROW_BRIDGE_IO;
    fill(error, {kind, first_line(exception.what()), ""});
  } catch (...) {
    fill(error, {ARROW_BRIDGE_BAD_DATA, "an unknown failure", ""});
  }
  return false;
}

}  // namespace bridge

extern "C" {

void arrow_bridge_error_release(ArrowBridgeError *error) {
  free(error->message);
  free(error->column);
  *error = {0, nullptr, nullptr, -1, 0, {}};
}

const char *arrow_bridge_version(void) { return ARROW_VERSION_STRING; }
}
