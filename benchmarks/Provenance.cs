using System.Diagnostics;
using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Where a row of a results file comes from.</summary>
internal static class Provenance
{
    /// <summary>The end of the text for a processor that computes in float32 only.</summary>
    public const string Float32Only = ", float32 only";

    /// <summary>Returns the commit that the sources are at.</summary>
    public static string FindCommit()
    {
        var git = new ProcessStartInfo("git", "rev-parse --short HEAD") { RedirectStandardOutput = true };
        using var process = Process.Start(git)!;
        var output = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return output;
    }

    /// <summary>Returns the processor, the number of its cores, and whether it computes in float32 only.</summary>
    public static string FindMachine()
    {
        const string Info = "/proc/cpuinfo";
        var model = File.Exists(Info)
            ? File.ReadLines(Info).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        var type = TorchDevice.ChooseDataType(Precision.Auto, CPU) == ScalarType.BFloat16 ? "" : Float32Only;
        return $"{model?.Split(':')[1].Trim() ?? "unknown processor"}, {Environment.ProcessorCount} cores{type}";
    }

    /// <summary>Returns the command of this process, without the place of the data, which differs by machine.</summary>
    public static string FindCommand()
    {
        var args = Environment.GetCommandLineArgs()[1..];
        var directory = Array.IndexOf(args, "--data-dir") + 1;
        if (directory > 0) args[directory] = "DIR";
        return $"dotnet run -c Release --project benchmarks -- {string.Join(' ', args)}";
    }
}
