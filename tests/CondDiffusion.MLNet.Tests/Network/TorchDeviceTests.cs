using CondDiffusion.MLNet.Network;
using TorchSharp;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class TorchDeviceTests
{
    [TestMethod]
    [DataRow(null, false, 2, DeviceType.CPU, -1)]
    [DataRow(0, false, 1, DeviceType.CUDA, 0)]
    [DataRow(1, true, 2, DeviceType.CUDA, 1)]
    [DataRow(2, true, 2, DeviceType.CPU, -1)]
    [DataRow(-1, true, 2, DeviceType.CPU, -1)]
    [DataRow(0, true, 0, DeviceType.CPU, -1)]
    public void Choose_DeviceOrFallback_IsHonoured(
        int? gpuDeviceId,
        bool fallbackToCpu,
        int gpus,
        DeviceType type,
        int index)
    {
        var device = TorchDevice.Choose(gpuDeviceId, fallbackToCpu, gpus);

        Assert.AreEqual(type, device.type);
        Assert.AreEqual(index, device.index);
    }

    [TestMethod]
    [DataRow(0, 0, "no CUDA device was found")]
    [DataRow(1, 1, "the only CUDA device is number 0")]
    [DataRow(4, 4, "numbers 0 to 3")]
    [DataRow(-1, 2, "numbers 0 to 1")]
    public void Choose_DeviceMissingWithoutFallback_SaysWhatWasFoundAndTheFix(int gpuDeviceId, int gpus, string found)
    {
        var error = Assert.ThrowsExactly<InvalidOperationException>(
            () => TorchDevice.Choose(gpuDeviceId, fallbackToCpu: false, gpus));

        StringAssert.Contains(error.Message, $"GpuDeviceId is {gpuDeviceId}");
        StringAssert.Contains(error.Message, found);
        StringAssert.Contains(error.Message, "FallbackToCpu");
    }

    [TestMethod]
    public void Choose_NoGpuRequested_IsTheCpu() =>
        Assert.AreEqual(DeviceType.CPU, TorchDevice.Choose(null, fallbackToCpu: false).type);
}
