/* Stands in for NVIDIA's management library in tests: two cards, one of which can do little. */
#include <stdio.h>
#include <string.h>

typedef struct { int number; } Device;
static Device devices[2] = {{0}, {1}};
static int initialised = 0;

#define UNINITIALIZED 1
#define NOT_SUPPORTED 3
#define BASIC(device) do { if (!initialised) return UNINITIALIZED; if (((Device *)(device))->number != 0) return NOT_SUPPORTED; } while (0)

int nvmlInit_v2(void) { initialised++; return 0; }
int nvmlShutdown(void) { initialised--; return 0; }
int nvmlSystemGetDriverVersion(char *out, unsigned length) { snprintf(out, length, "550.54.14"); return 0; }
int nvmlDeviceGetCount_v2(unsigned *out) { if (!initialised) return UNINITIALIZED; *out = 3; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **out) {
  if (index > 1) return 15;
  *out = &devices[index];
  return 0;
}
int nvmlDeviceGetName(void *device, char *out, unsigned length) {
  snprintf(out, length, "Stub %d", ((Device *)device)->number);
  return 0;
}
int nvmlDeviceGetUUID(void *device, char *out, unsigned length) {
  snprintf(out, length, "GPU-%04d", ((Device *)device)->number);
  return 0;
}
int nvmlDeviceGetMinorNumber(void *device, unsigned *out) { *out = 7 + ((Device *)device)->number; return 0; }
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } Pci;
int nvmlDeviceGetPciInfo_v3(void *device, Pci *out) {
  memset(out, 0xff, sizeof *out);
  snprintf(out->bus_id, sizeof out->bus_id, "00000000:0%d:00.0", 1 + ((Device *)device)->number);
  return 0;
}
int nvmlDeviceGetTemperature(void *device, unsigned which, unsigned *out) { if (which) return 2; *out = 40 + ((Device *)device)->number; return 0; }
int nvmlDeviceGetClockInfo(void *device, unsigned which, unsigned *out) { BASIC(device); *out = 1000 + which; return 0; }
int nvmlDeviceGetPowerUsage(void *device, unsigned *out) { BASIC(device); *out = 75500; return 0; }
int nvmlDeviceGetPowerManagementLimit(void *device, unsigned *out) { BASIC(device); *out = 250000; return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *out) { BASIC(device); *out = 240000; return 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *device, unsigned long long *out) { BASIC(device); *out = 5000000000ULL; return 0; }
int nvmlDeviceGetFanSpeed(void *device, unsigned *out) { BASIC(device); *out = 30; return 0; }
int nvmlDeviceGetPerformanceState(void *device, unsigned *out) { BASIC(device); *out = 2; return 0; }
int nvmlDeviceGetCurrentClocksThrottleReasons(void *device, unsigned long long *out) { BASIC(device); *out = 4; return 0; }
int nvmlDeviceGetPcieReplayCounter(void *device, unsigned *out) { BASIC(device); *out = 9; return 0; }
typedef struct { unsigned gpu, memory; } Utilization;
int nvmlDeviceGetUtilizationRates(void *device, Utilization *out) { BASIC(device); out->gpu = 55; out->memory = 12; return 0; }
int nvmlDeviceGetEncoderUtilization(void *device, unsigned *out, unsigned *micros) { BASIC(device); *out = 3; *micros = 100; return 0; }
int nvmlDeviceGetDecoderUtilization(void *device, unsigned *out, unsigned *micros) { BASIC(device); *out = 4; *micros = 100; return 0; }
typedef struct { unsigned long long total, free, used; } Memory;
int nvmlDeviceGetMemoryInfo(void *device, Memory *out) {
  out->total = 8ULL << 30; out->free = 5ULL << 30; out->used = 3ULL << 30;
  return 0;
}
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory2;
int nvmlDeviceGetMemoryInfo_v2(void *device, Memory2 *out) {
  BASIC(device);
  if (out->version != (sizeof *out | (2 << 24))) return 25;
  out->total = 8ULL << 30; out->reserved = 256ULL << 20; out->free = 5ULL << 30; out->used = out->total - out->free - out->reserved;
  return 0;
}
int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter, unsigned long long *out) { BASIC(device); *out = 10 * kind + counter + 1; return 0; }
int nvmlDeviceGetRemappedRows(void *device, unsigned *corrected, unsigned *uncorrected, unsigned *pending, unsigned *failed) {
  BASIC(device); *corrected = 1; *uncorrected = 2; *pending = 0; *failed = 0; return 0;
}
typedef struct { unsigned id, scope; long long timestamp, latency; unsigned type; int result; union { double d; unsigned u; unsigned long long ull; } value; } Field;
int nvmlDeviceGetFieldValues(void *device, int count, Field *out) {
  BASIC(device);
  if (count != 1 || out->id != 82) return 2;
  out->type = 1; out->result = 0; out->value.ull = ~0ULL; out->value.u = 66;
  return 0;
}
