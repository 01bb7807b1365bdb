// The kernels run by the CPU, for the double of the driver.
#include "../../../gpu/kernels/host.cpp"
