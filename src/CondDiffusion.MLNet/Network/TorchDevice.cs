using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace CondDiffusion.MLNet.Network;

/// <summary>Chooses the device and the data type to compute in, and measures the device's free memory.</summary>
internal static class TorchDevice
{
    /// <summary>
    /// Maximum size of an activation on a CPU. One of this size stays in the cache, and the allocator keeps its memory
    /// for the next one, whereas it returns pieces of more than 32 MB to the system.
    /// </summary>
    private const long MostActivationBytes = 12 << 20;

    /// <summary>The batch size where the free memory is unknown.</summary>
    private const int BatchSizeOfUnknownMemory = 32;

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
    /// Returns the bytes of memory that a device has free, which other users of it may need too; null where it does not
    /// report them.
    /// </summary>
    public static long? FreeMemory(torch.Device device)
    {
        if (device.type == DeviceType.CUDA) return FreeGpuMemory(device.index);

        var memory = GC.GetGCMemoryInfo();
        return Math.Max(memory.TotalAvailableMemoryBytes - memory.MemoryLoadBytes, 0);
    }

    /// <summary>
    /// Returns how many images to generate at a time: as many as fit into a quarter of the free memory, at least one.
    /// </summary>
    /// <param name="freeMemory">The result of <see cref="FreeMemory"/>.</param>
    /// <param name="imageBytes">Bytes of memory that an image needs.</param>
    /// <param name="most">The maximum.</param>
    public static int ChooseBatchSize(long? freeMemory, long imageBytes, int most) =>
        (int)Math.Clamp(freeMemory / 4 / imageBytes ?? BatchSizeOfUnknownMemory, 1, most);

    /// <summary>
    /// Returns how many rows of a batch a network computes at a time in inference: all, but on a CPU no more than have
    /// activations of a size that computes fast.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="rowBytes">Bytes of a row's largest activation.</param>
    public static long ChooseRows(torch.Device device, long rowBytes) =>
        device.type == DeviceType.CPU ? Math.Max(1, MostActivationBytes / rowBytes) : long.MaxValue;

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

    private static bool ComputesInBFloat16(torch.Device device) => device.type == DeviceType.CUDA
        ? ComputeCapability(device.index) >= 8
        : HasBFloat16Instructions() && FusedConvolution.CanPack(torch.ScalarType.BFloat16);

    /// <summary>
    /// Returns whether the CPU multiplies bfloat16 numbers. That kernels take them does not say so: with AVX-512 alone
    /// they convert to float32 and back.
    /// </summary>
    private static bool HasBFloat16Instructions()
    {
        // IsSupported, unlike CpuId, is true only where the operating system saves the registers of AVX-512.
        if (!Avx512F.IsSupported) return false;

        const int Avx512BFloat16 = 1 << 5;
        const int AmxBFloat16 = 1 << 22;
        return (X86Base.CpuId(7, 1).Eax & Avx512BFloat16) != 0 || (X86Base.CpuId(7, 0).Edx & AmxBFloat16) != 0;
    }

    /// <summary>
    /// Returns the free memory of a GPU (untested on GPUs). The driver reports that of the calling thread's current
    /// context, and a new thread has none: this makes the one current that libtorch uses, for as long as it asks.
    /// </summary>
    private static unsafe long? FreeGpuMemory(int gpu)
    {
        var retain = (delegate* unmanaged<nint*, int, int>)CudaDriver("cuDevicePrimaryCtxRetain");
        var release = (delegate* unmanaged<int, int>)CudaDriver("cuDevicePrimaryCtxRelease_v2");
        var push = (delegate* unmanaged<nint, int>)CudaDriver("cuCtxPushCurrent_v2");
        var pop = (delegate* unmanaged<nint*, int>)CudaDriver("cuCtxPopCurrent_v2");
        var measure = (delegate* unmanaged<nuint*, nuint*, int>)CudaDriver("cuMemGetInfo_v2");
        if (retain is null || release is null || push is null || pop is null || measure is null) return null;

        nint context = 0;
        if (retain(&context, gpu) != 0) return null;
        try
        {
            if (push(context) != 0) return null;

            nuint free = 0;
            nuint total = 0;
            var isKnown = measure(&free, &total) == 0;
            _ = pop(&context);
            return isKnown ? (long)free : null;
        }
        finally
        {
            _ = release(gpu);
        }
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
