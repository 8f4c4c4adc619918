using System.Diagnostics;
using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

/// <summary>
/// Has a second process of these tests run one of them with oneDNN limited to AVX2, which it reads once in a process.
/// </summary>
[TestClass]
public sealed class WithoutAvx512Tests
{
    private const string Limit = "ONEDNN_MAX_CPU_ISA";

    [TestMethod]
    public async Task BFloat16_WithoutAvx512_SamplesAndIsNotChosen()
    {
        if (Environment.GetEnvironmentVariable(Limit) is null)
            await RunLimited(nameof(BFloat16_WithoutAvx512_SamplesAndIsNotChosen));
        else
            Sample();
    }

    private static void Sample()
    {
        Assert.IsFalse(FusedConvolution.CanPack(ScalarType.BFloat16));
        Assert.AreEqual(
            RuntimeInformation.ProcessArchitecture == Architecture.X64, FusedConvolution.CanPack(ScalarType.Float32));
        Assert.AreEqual(ScalarType.Float32, TorchDevice.ChooseDataType(Precision.Auto, CPU));

        float[] Generate(Precision precision)
        {
            var ml = new MLContext(seed: 1);
            var sampling = new SamplingOptions { Precision = precision, Steps = 4 };
            using var model = Tiny.Create(ml, Tiny.Description with { Sampling = sampling });
            return [.. Tiny.Pixels(model, Tiny.Rows(ml, 5)).SelectMany(pixels => pixels)];
        }

        var reference = Generate(Precision.Float32);
        Assert.AreSequenceEqual(reference, Generate(Precision.Auto));

        var error = reference.Zip(Generate(Precision.BFloat16), (x, y) => (x - y) * (x - y)).Sum();
        Assert.IsGreaterThan(0, error);
        Assert.IsLessThan(0.03 * 0.03 * reference.Sum(x => x * x), error);
    }

    private static async Task RunLimited(string test)
    {
        var extension = OperatingSystem.IsWindows() ? ".exe" : null;
        var executable = Path.ChangeExtension(typeof(WithoutAvx512Tests).Assembly.Location, extension);
        using var directory = new TemporaryDirectory();
        var start = new ProcessStartInfo(executable, ["--filter", $"Name={test}", "--no-ansi"])
        {
            Environment = { [Limit] = "AVX2" },
            RedirectStandardOutput = true,
            WorkingDirectory = directory.Path,
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(0, process.ExitCode, output);
        StringAssert.Contains(output, "succeeded: 1");
    }
}
