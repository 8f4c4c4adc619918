using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace CondDiffusion.MLNet.Network;

/// <summary>Chooses the device and the data type to compute in, and measures the device's free memory.</summary>
internal static class TorchDevice
{
    /// <summary>Chooses the device for the <c>GpuDeviceId</c> and <c>FallbackToCpu</c> of a context.</summary>
    /// <exception cref="InvalidOperationException">
    /// The GPU is missing and there is no fallback, or libtorch does not load. The message names the fix.
    /// </exception>
    public static torch.Device Choose(int? gpuDeviceId, bool fallbackToCpu)
    {
        TorchRuntime.EnsureLoaded();
        var gpus = gpuDeviceId is not null && torch.cuda.is_available() ? torch.cuda.device_count() : 0;
        return Choose(gpuDeviceId, fallbackToCpu, gpus);
    }

    /// <summary>Returns the data type that a precision means on a device.</summary>
    public static torch.ScalarType ChooseDataType(Precision precision, torch.Device device) => precision switch
    {
        Precision.Auto => ComputesInBFloat16(device) ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32,
        Precision.Float32 => torch.ScalarType.Float32,
        Precision.BFloat16 => torch.ScalarType.BFloat16,
        _ => throw new UnreachableException($"{precision}"),
    };

    /// <summary>
    /// Returns the bytes of memory that a device has free, which other users of it may need too; 0 where it does not
    /// report them.
    /// </summary>
    public static unsafe long FreeMemory(torch.Device device)
    {
        if (device.type != DeviceType.CUDA)
        {
            var memory = GC.GetGCMemoryInfo();
            return Math.Max(memory.TotalAvailableMemoryBytes - memory.MemoryLoadBytes, 0);
        }

        nuint free = 0;
        nuint total = 0;
        var function = (delegate* unmanaged<nuint*, nuint*, int>)CudaDriver("cuMemGetInfo_v2");
        return function is not null && function(&free, &total) == 0 ? (long)free : 0;
    }

    /// <summary>Chooses the device where there are <paramref name="gpus"/> GPUs.</summary>
    internal static torch.Device Choose(int? gpuDeviceId, bool fallbackToCpu, int gpus)
    {
        if (gpuDeviceId >= 0 && gpuDeviceId < gpus) return new torch.Device(DeviceType.CUDA, gpuDeviceId.Value);
        if (gpuDeviceId is null || fallbackToCpu) return torch.CPU;

        var found = gpus switch
        {
            0 => "no CUDA device was found; check the NVIDIA driver, and that the application references " +
                $"{TorchRuntime.CudaPackages} {TorchRuntime.TorchSharpVersion} in place of TorchSharp-cpu",
            1 => "the only CUDA device is number 0",
            _ => $"the CUDA devices are numbers 0 to {gpus - 1}",
        };
        throw new InvalidOperationException(
            $"MLContext.GpuDeviceId is {gpuDeviceId}, but {found}. Set FallbackToCpu to true to run on the CPU where " +
            "that device is missing, or GpuDeviceId to null to run on the CPU always.");
    }

    private static bool ComputesInBFloat16(torch.Device device)
    {
        if (device.type == DeviceType.CUDA) return ComputeCapability(device.index) >= 8;
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7) return false;

        const int Avx512BFloat16 = 1 << 5;
        const int AmxBFloat16 = 1 << 22;
        return (X86Base.CpuId(7, 1).Eax & Avx512BFloat16) != 0 || (X86Base.CpuId(7, 0).Edx & AmxBFloat16) != 0;
    }

    /// <summary>
    /// Returns the major compute capability of a GPU, or 0 where it is unknown. The CUDA driver reports it; TorchSharp
    /// does not.
    /// </summary>
    private static unsafe int ComputeCapability(int gpu)
    {
        const int ComputeCapabilityMajor = 75; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        var major = 0;
        var function = (delegate* unmanaged<int*, int, int, int>)CudaDriver("cuDeviceGetAttribute");
        return function is not null && function(&major, ComputeCapabilityMajor, gpu) == 0 ? major : 0;
    }

    /// <summary>Returns the address of a function of the CUDA driver, or 0 where it is missing.</summary>
    private static nint CudaDriver(string function)
    {
        var driver = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        return NativeLibrary.TryLoad(driver, out var library)
            && NativeLibrary.TryGetExport(library, function, out var address) ? address : 0;
    }
}
