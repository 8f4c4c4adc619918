using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;

namespace CondDiffusion.MLNet.Network;

/// <summary>
/// Loads libtorch and TorchSharp's native library once. Where they do not load, it explains what is missing and how to
/// fix it.
/// </summary>
internal static class TorchRuntime
{
    /// <summary>The packages that an application references in order to compute on NVIDIA GPUs.</summary>
    public const string CudaPackages = "TorchSharp-cuda-linux or TorchSharp-cuda-windows";

    private const string TorchSharpName = "TorchSharp";

    private static readonly Lazy<(string Message, Exception? Cause)?> Failure = new(() =>
        ExplainVersion(BuiltVersion, FoundVersion) is { } message ? (message, null) : Load());

    /// <summary>The version of TorchSharp's managed library.</summary>
    public static string TorchSharpVersion => typeof(torch).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
        .InformationalVersion.Split('+')[0];

    /// <summary>The version of TorchSharp that this library was built with.</summary>
    private static Version BuiltVersion => typeof(TorchRuntime).Assembly.GetReferencedAssemblies()
        .Single(assembly => assembly.Name == TorchSharpName).Version!;

    /// <summary>The version of TorchSharp that the application has, which may be lower or higher.</summary>
    private static Version FoundVersion => Assembly.Load(new AssemblyName(TorchSharpName)).GetName().Version!;

    /// <summary>Loads the native libraries. Call this before any tensor is created.</summary>
    /// <exception cref="InvalidOperationException">
    /// They do not load, or TorchSharp has another minor version than the one that this library was built with. The
    /// message names the fix.
    /// </exception>
    public static void EnsureLoaded()
    {
        if (Failure.Value is var (message, cause))
            throw new InvalidOperationException(message, cause);
    }

    /// <summary>
    /// Returns a message where two versions of TorchSharp differ by more than a patch, and null elsewhere. Before
    /// version 1, each minor version may change the signature or the meaning of any method.
    /// </summary>
    /// <param name="built">The version that this library was built with.</param>
    /// <param name="found">The version that the application has.</param>
    internal static string? ExplainVersion(Version built, Version found)
    {
        if ((built.Major, built.Minor) == (found.Major, found.Minor)) return null;

        var expected = built.ToString(3);
        var actual = found.ToString(3);
        return $"The application has TorchSharp {actual}, but its CondDiffusion.MLNet was built and tested with " +
            $"TorchSharp {expected}, and other minor versions differ. Reference TorchSharp and TorchSharp-cpu (for " +
            $"NVIDIA GPUs {CudaPackages}) in version {expected} from the application, or build CondDiffusion.MLNet " +
            $"with TorchSharp {actual} (TorchSharpVersion in Directory.Packages.props) and run its tests.";
    }

    /// <summary>What is known about a failed load.</summary>
    /// <param name="System">The operating system.</param>
    /// <param name="TorchSharpVersion">The version of TorchSharp's managed library.</param>
    /// <param name="Bridge">The path of TorchSharp's native library, where it was found.</param>
    /// <param name="LibTorch">The path of libtorch, where it was found.</param>
    /// <param name="Refusal">The reason for which the operating system does not load the bridge.</param>
    internal sealed record Facts(
        OSPlatform System,
        string TorchSharpVersion,
        string? Bridge,
        string? LibTorch,
        string? Refusal);

    /// <summary>Returns a message that says what is wrong and how to fix it.</summary>
    internal static string Explain(Facts facts)
    {
        var version = facts.TorchSharpVersion;
        if (facts.Bridge is null || facts.LibTorch is null)
        {
            var missing = facts.Bridge is null ? "TorchSharp's native library" : "libtorch";
            return $"TorchSharp {version} cannot start: {missing} is not in the application's folder. " +
                $"Add the package TorchSharp-cpu, or for NVIDIA GPUs {CudaPackages}, in version {version} " +
                "to the application (not to a library), and build for x64 (macOS: arm64).";
        }

        // https://github.com/dotnet/TorchSharp/issues/1567
        var fix = facts switch
        {
            { System: var system, TorchSharpVersion: "0.107.0" } when system == OSPlatform.Windows =>
                "This version is known not to load on Windows (https://github.com/dotnet/TorchSharp/issues/1567). " +
                "Build CondDiffusion.MLNet and the application with TorchSharp 0.106.0 (TorchSharpVersion in " +
                "Directory.Packages.props), or run on Linux or macOS.",
            { System: var system } when system == OSPlatform.Windows =>
                "Install the Visual C++ Redistributable for x64, and check that every TorchSharp and libtorch " +
                $"package has the version that belongs to TorchSharp {version}.",
            { Refusal: { } reason } when reason.Contains("GLIBCXX", StringComparison.Ordinal) =>
                "This system's libstdc++ is too old for that file. The build target of the CondDiffusion.MLNet " +
                "package makes it work with an older one: reference the package with its build assets from the " +
                "application, and leave RelaxLibTorchSharp unset. Otherwise install the libstdc++ of GCC 13 or later.",
            _ =>
                "Install what the loader reports as missing, and check that every TorchSharp and libtorch package " +
                $"has the version that belongs to TorchSharp {version}.",
        };
        return $"TorchSharp {version} cannot start: the operating system does not load {facts.Bridge} " +
            $"({facts.Refusal}). {fix}";
    }

    private static (string, Exception?)? Load()
    {
        var system = new[] { OSPlatform.Windows, OSPlatform.OSX }
            .FirstOrDefault(RuntimeInformation.IsOSPlatform, OSPlatform.Linux);
        var bridge = Find("LibTorchSharp", system);
        var libTorch = Find("torch_cpu", system);

        try
        {
            // This first tries what TorchSharp does. Where both files are present but do not load, TorchSharp's own
            // attempt would hide the reason: it would print that a package is missing, and copy the same files from the
            // package cache. Where one is missing, TorchSharp may find it elsewhere.
            _ = TryLoad("torch_cpu");
            if (!TryLoad("LibTorchSharp") && bridge is not null && libTorch is not null) NativeLibrary.Load(bridge);

            torch.InitializeDeviceType(DeviceType.CPU);
            return null;
        }
        catch (Exception e)
        {
            return (Explain(new Facts(system, TorchSharpVersion, bridge, libTorch, Reason(e))), e);
        }
    }

    /// <summary>
    /// Returns the loader's own words. On Linux and macOS the message starts with .NET's advice on debugging, followed
    /// by one line of the loader for each attempt.
    /// </summary>
    private static string Reason(Exception e)
    {
        var lines = e.Message.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        return string.Join("; ", lines.Length > 1 ? lines.Skip(1) : lines);
    }

    private static bool TryLoad(string library) => NativeLibrary.TryLoad(library, typeof(torch).Assembly, null, out _);

    private static string? Find(string library, OSPlatform system)
    {
        var file = system == OSPlatform.Windows ? $"{library}.dll"
            : system == OSPlatform.OSX ? $"lib{library}.dylib"
            : $"lib{library}.so";
        var folders = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return folders.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Append(AppContext.BaseDirectory)
            .Select(folder => Path.Combine(folder, file))
            .FirstOrDefault(File.Exists);
    }
}
