using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TorchSharp;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// TorchSharp's native half: loads it once, says what is missing and what to do where it does not load, and chooses the device.
/// </summary>
internal static class TorchRuntime
{
    private const string CudaPackages = "TorchSharp-cuda-linux or TorchSharp-cuda-windows";

    private static readonly Lazy<(string Message, Exception Cause)?> Failure = new(Load);

    /// <summary>Call it before any tensor is made.</summary>
    /// <exception cref="InvalidOperationException">The native half does not load; the message names the fix.</exception>
    public static void EnsureLoaded()
    {
        if (Failure.Value is var (message, cause))
            throw new InvalidOperationException(message, cause);
    }

    /// <summary>The device for the <c>GpuDeviceId</c> and <c>FallbackToCpu</c> of a context.</summary>
    public static torch.Device Choose(int? gpuDeviceId, bool fallbackToCpu)
    {
        EnsureLoaded();
        return Choose(gpuDeviceId, fallbackToCpu, gpuDeviceId is not null && torch.cuda.is_available() ? torch.cuda.device_count() : 0);
    }

    /// <summary>The number format that a precision means on a device.</summary>
    public static torch.ScalarType Choose(Precision precision, torch.Device device) => precision switch
    {
        Precision.Float32 => torch.ScalarType.Float32,
        Precision.BFloat16 => torch.ScalarType.BFloat16,
        _ => ComputesInBFloat16(device) ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32,
    };

    private static bool ComputesInBFloat16(torch.Device device)
    {
        if (device.type == DeviceType.CUDA) return ComputeCapability(device.index) >= 8;
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 7) return false;
        const int Avx512BFloat16 = 1 << 5, AmxBFloat16 = 1 << 22;
        return (X86Base.CpuId(7, 1).Eax & Avx512BFloat16) != 0 || (X86Base.CpuId(7, 0).Edx & AmxBFloat16) != 0;
    }

    /// <summary>The major compute capability of a GPU, which TorchSharp does not tell: from the driver; 0 where it does not say.</summary>
    private static unsafe int ComputeCapability(int gpu)
    {
        const int ComputeCapabilityMajor = 75; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
        var major = 0;
        var function = (delegate* unmanaged<int*, int, int, int>)CudaDriver("cuDeviceGetAttribute");
        return function is not null && function(&major, ComputeCapabilityMajor, gpu) == 0 ? major : 0;
    }

    /// <summary>Bytes of memory that a device can still give, of which others may want some too; 0 where it does not say.</summary>
    public static unsafe long FreeMemory(torch.Device device)
    {
        if (device.type != DeviceType.CUDA)
        {
            var memory = GC.GetGCMemoryInfo();
            return Math.Max(memory.TotalAvailableMemoryBytes - memory.MemoryLoadBytes, 0);
        }
        nuint free = 0, total = 0;
        var function = (delegate* unmanaged<nuint*, nuint*, int>)CudaDriver("cuMemGetInfo_v2");
        return function is not null && function(&free, &total) == 0 ? (long)free : 0;
    }

    private static nint CudaDriver(string function)
    {
        var driver = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        return NativeLibrary.TryLoad(driver, out var library) && NativeLibrary.TryGetExport(library, function, out var address) ? address : 0;
    }

    internal static torch.Device Choose(int? gpuDeviceId, bool fallbackToCpu, int gpus)
    {
        if (gpuDeviceId >= 0 && gpuDeviceId < gpus)
            return new torch.Device(DeviceType.CUDA, gpuDeviceId.Value);
        if (gpuDeviceId is null || fallbackToCpu)
            return torch.CPU;

        var found = gpus switch
        {
            0 => $"no CUDA device was found; check the NVIDIA driver, and that the application references {CudaPackages} {TorchSharpVersion} " +
                "in place of TorchSharp-cpu",
            1 => "the only CUDA device is number 0",
            _ => $"the CUDA devices are numbers 0 to {gpus - 1}",
        };
        throw new InvalidOperationException(
            $"MLContext.GpuDeviceId is {gpuDeviceId}, but {found}. Set FallbackToCpu to true to run on the CPU where that device is missing, " +
            "or GpuDeviceId to null to run on the CPU always.");
    }

    /// <summary>What is known about a failed load.</summary>
    /// <param name="System">The operating system.</param>
    /// <param name="TorchSharpVersion">The version of the managed half.</param>
    /// <param name="Bridge">Where TorchSharp's own native library was found.</param>
    /// <param name="LibTorch">Where libtorch was found.</param>
    /// <param name="Refusal">Why the operating system's loader refuses the bridge.</param>
    internal sealed record Facts(OSPlatform System, string TorchSharpVersion, string? Bridge, string? LibTorch, string? Refusal);

    internal static string Explain(Facts facts)
    {
        var version = facts.TorchSharpVersion;
        if (facts.Bridge is null || facts.LibTorch is null)
        {
            var missing = facts.Bridge is null ? "TorchSharp's native library" : "libtorch";
            return $"TorchSharp {version} cannot start: {missing} is not in the application's folder. Add to the application (not to a library) " +
                $"the package TorchSharp-cpu, or for NVIDIA GPUs {CudaPackages}, in version {version}, and build for x64 (macOS: arm64).";
        }

        // https://github.com/dotnet/TorchSharp/issues/1567
        var fix = facts switch
        {
            { System: var system, TorchSharpVersion: "0.107.0" } when system == OSPlatform.Windows =>
                "This version is known not to load on Windows (https://github.com/dotnet/TorchSharp/issues/1567). Build CondDiffusion.MLNet " +
                "and the application with TorchSharp 0.106.0 (TorchSharpVersion in Directory.Packages.props), or run on Linux or macOS.",
            { System: var system } when system == OSPlatform.Windows =>
                "Install the Visual C++ Redistributable for x64, and check that every TorchSharp and libtorch package has the version " +
                $"that belongs to TorchSharp {version}.",
            { Refusal: { } reason } when reason.Contains("GLIBCXX", StringComparison.Ordinal) =>
                "This system's libstdc++ is too old for that file. The build target of the CondDiffusion.MLNet package removes the need for a " +
                "newer one: let the application reference the package with its build assets, and leave RelaxLibTorchSharp unset. " +
                "Otherwise install the libstdc++ of GCC 13 or later.",
            _ => "Install what the loader misses, and check that every TorchSharp and libtorch package has the version " +
                $"that belongs to TorchSharp {version}.",
        };
        return $"TorchSharp {version} cannot start: the operating system refuses to load {facts.Bridge} ({facts.Refusal}). {fix}";
    }

    private static string TorchSharpVersion =>
        typeof(torch).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static (string, Exception)? Load()
    {
        var system = new[] { OSPlatform.Windows, OSPlatform.OSX }.FirstOrDefault(RuntimeInformation.IsOSPlatform, OSPlatform.Linux);
        var (bridge, libTorch) = (Find("LibTorchSharp", system), Find("torch_cpu", system));
        try
        {
            // First as TorchSharp does it. Where both files are present and refused, its own attempt would only hide the reason: it would
            // print that a package is missing, and copy the same files from the package cache. Where one is not, it may know another place.
            _ = TryLoad("torch_cpu");
            if (!TryLoad("LibTorchSharp") && bridge is not null && libTorch is not null)
                NativeLibrary.Load(bridge);
            torch.InitializeDeviceType(DeviceType.CPU);
            return null;
        }
        catch (Exception e)
        {
            return (Explain(new Facts(system, TorchSharpVersion, bridge, libTorch, Reason(e))), e);
        }
    }

    // On Linux and macOS the first line of the message is .NET's advice on debugging; the loader's own words follow, a line for each attempt.
    private static string Reason(Exception e)
    {
        var lines = e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return string.Join("; ", lines.Length > 1 ? lines.Skip(1) : lines);
    }

    private static bool TryLoad(string library) => NativeLibrary.TryLoad(library, typeof(torch).Assembly, null, out _);

    private static string? Find(string library, OSPlatform system)
    {
        var file = system == OSPlatform.Windows ? $"{library}.dll" : system == OSPlatform.OSX ? $"lib{library}.dylib" : $"lib{library}.so";
        var folders = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return folders.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Select(folder => Path.Combine(folder, file))
            .FirstOrDefault(File.Exists);
    }
}
