using System.Runtime.InteropServices;
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

    [TestMethod]
    public void ChooseDataType_AutoOnThisCpu_IsBFloat16WhereLinuxListsItsInstructions()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            Assert.Inconclusive("Only Linux lists the instructions that the processor has and the system has enabled.");

        var line = File.ReadLines("/proc/cpuinfo").First(line => line.StartsWith("flags", StringComparison.Ordinal));
        var flags = line.Split(' ');
        var computes = flags.Contains("avx512_bf16") || flags.Contains("amx_bf16");

        Assert.AreEqual(
            computes ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32,
            TorchDevice.ChooseDataType(Precision.Auto, torch.CPU));
    }

    [TestMethod]
    public void FreeMemory_OfTheCpu_IsSomeOfTheMachines()
    {
        var free = TorchDevice.FreeMemory(torch.CPU);
        Assert.IsGreaterThan(0, free!.Value);
        Assert.IsLessThanOrEqualTo(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, free.Value);
    }

    [TestMethod]
    public void FreeMemory_OfAGpuWithoutADriver_IsUnknown()
    {
        if (torch.cuda.is_available()) Assert.Inconclusive("There is a GPU.");

        Assert.IsNull(TorchDevice.FreeMemory(new torch.Device(DeviceType.CUDA, 0)));
    }

    [TestMethod]
    [DataRow(null, 1L << 40, 256, 32)]
    [DataRow(null, 1L, 8, 8)]
    [DataRow(0L, 100L, 256, 1)]
    [DataRow(399L, 100L, 256, 1)]
    [DataRow(4_000L, 100L, 256, 10)]
    [DataRow(1L << 40, 100L, 256, 256)]
    public void ChooseBatchSize_FreeMemory_IsWhatFitsIntoAQuarterOrThirtyTwo(
        long? freeMemory,
        long imageBytes,
        int most,
        int expected) => Assert.AreEqual(expected, TorchDevice.ChooseBatchSize(freeMemory, imageBytes, most));

    [TestMethod]
    public void ChooseRows_Activations_AreAtMostTwelveMegabytesOnACpu()
    {
        Assert.AreEqual(12, TorchDevice.ChooseRows(torch.CPU, 1 << 20));
        Assert.AreEqual(1, TorchDevice.ChooseRows(torch.CPU, 13 << 20));
        Assert.AreEqual(long.MaxValue, TorchDevice.ChooseRows(new(DeviceType.CUDA), 1 << 20));
    }
}
