// Arrow Database Connectivity, the C interface of version 1.1.0: layouts to the letter
// (arrow.apache.org/adbc, adbc.h, Apache-2.0). Functions that are never called here keep their place
// as `Unused`.
#pragma once

#include <arrow/c/abi.h>

#include <cstddef>
#include <cstdint>

using AdbcStatusCode = uint8_t;

constexpr AdbcStatusCode ADBC_STATUS_OK = 0;
constexpr AdbcStatusCode ADBC_STATUS_NOT_IMPLEMENTED = 2;
constexpr int ADBC_VERSION_1_0_0 = 1000000;
constexpr int ADBC_VERSION_1_1_0 = 1001000;
/// Announces an error of the 1.1.0 layout.
constexpr int32_t ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA = INT32_MIN;

struct AdbcDriver;

struct AdbcError {
  char *message;
  int32_t vendor_code;
  char sqlstate[5];
  void (*release)(AdbcError *error);
  void *private_data;
  AdbcDriver *private_driver;
};

struct AdbcDatabase {
  void *private_data;
  AdbcDriver *private_driver;
};

struct AdbcConnection {
  void *private_data;
  AdbcDriver *private_driver;
};

struct AdbcStatement {
  void *private_data;
  AdbcDriver *private_driver;
};

struct AdbcDriver {
  using Unused = void (*)();

  void *private_data;
  void *private_manager;
  AdbcStatusCode (*release)(AdbcDriver *, AdbcError *);

  AdbcStatusCode (*DatabaseInit)(AdbcDatabase *, AdbcError *);
  AdbcStatusCode (*DatabaseNew)(AdbcDatabase *, AdbcError *);
  AdbcStatusCode (*DatabaseSetOption)(AdbcDatabase *, const char *, const char *, AdbcError *);
  AdbcStatusCode (*DatabaseRelease)(AdbcDatabase *, AdbcError *);

  AdbcStatusCode (*ConnectionCommit)(AdbcConnection *, AdbcError *);
  Unused ConnectionGetInfo;
  Unused ConnectionGetObjects;
  Unused ConnectionGetTableSchema;
  Unused ConnectionGetTableTypes;
  AdbcStatusCode (*ConnectionInit)(AdbcConnection *, AdbcDatabase *, AdbcError *);
  AdbcStatusCode (*ConnectionNew)(AdbcConnection *, AdbcError *);
  AdbcStatusCode (*ConnectionSetOption)(
      AdbcConnection *, const char *, const char *, AdbcError *);
  Unused ConnectionReadPartition;
  AdbcStatusCode (*ConnectionRelease)(AdbcConnection *, AdbcError *);
  AdbcStatusCode (*ConnectionRollback)(AdbcConnection *, AdbcError *);

  AdbcStatusCode (*StatementBind)(AdbcStatement *, ArrowArray *, ArrowSchema *, AdbcError *);
  Unused StatementBindStream;
  AdbcStatusCode (*StatementExecuteQuery)(
      AdbcStatement *, ArrowArrayStream *, int64_t *, AdbcError *);
  Unused StatementExecutePartitions;
  Unused StatementGetParameterSchema;
  AdbcStatusCode (*StatementNew)(AdbcConnection *, AdbcStatement *, AdbcError *);
  Unused StatementPrepare;
  AdbcStatusCode (*StatementRelease)(AdbcStatement *, AdbcError *);
  AdbcStatusCode (*StatementSetOption)(AdbcStatement *, const char *, const char *, AdbcError *);
  AdbcStatusCode (*StatementSetSqlQuery)(AdbcStatement *, const char *, AdbcError *);
  Unused StatementSetSubstraitPlan;

  // Since 1.1.0; null in a driver of 1.0.0.
  Unused ErrorGetDetailCount;
  Unused ErrorGetDetail;
  const AdbcError *(*ErrorFromArrayStream)(ArrowArrayStream *, AdbcStatusCode *);
  Unused DatabaseOptions[7];
  AdbcStatusCode (*ConnectionCancel)(AdbcConnection *, AdbcError *);
  Unused ConnectionOptions[9];
  AdbcStatusCode (*StatementCancel)(AdbcStatement *, AdbcError *);
  Unused StatementExecuteSchema;
  Unused StatementOptions[7];
};

/// What `dlsym` finds.
using AdbcDriverInitFunction = AdbcStatusCode (*)(int version, void *driver, AdbcError *error);
