using System.Diagnostics;
using CondDiffusion.MLNet.Tests.Support;

namespace CondDiffusion.MLNet.Tests.Demo;

/// <summary>Runs JavaScript of docs/demo in Node. Where there is none, the calling test is inconclusive.</summary>
internal static class Node
{
    public static string Directory { get; } = Path.Combine(Repository.Root, "docs", "demo");

    /// <summary>Starts Node in the directory of the page.</summary>
    public static Process Start(params IEnumerable<string> arguments) => Process.Start(
        new ProcessStartInfo(ExternalProgram.Find("node"), arguments)
        {
            WorkingDirectory = Directory,
            RedirectStandardOutput = true,
        })!;

    /// <summary>Returns what a module prints that stands beside those of the page.</summary>
    public static async Task<string> RunAsync(string module)
    {
        using var process = Start("--input-type=module", "--eval", module);
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(0, process.ExitCode);
        return output;
    }
}
