using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Network;
using TorchSharp;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class TorchRuntimeTests
{
    private static readonly TorchRuntime.Facts Refused = new(
        OSPlatform.Linux,
        "0.107.0",
        "/app/libLibTorchSharp.so",
        "/app/libtorch_cpu.so",
        "/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found");

    [TestMethod]
    public void EnsureLoaded_NativePackageReferenced_TensorsCompute()
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.EnsureLoaded();

        using var ones = torch.ones(2);
        using var sum = ones.sum();
        Assert.AreEqual(2f, sum.item<float>());
    }

    [TestMethod]
    [DataRow("0.107.0.0", "0.108.2.0", "0.108.2")]
    [DataRow("0.107.0.0", "0.106.0.0", "0.106.0")]
    [DataRow("0.107.0.0", "1.107.0.0", "1.107.0")]
    public void ExplainVersion_AnotherMinorVersion_NamesBothAndTheFix(string built, string found, string named)
    {
        var message = TorchRuntime.ExplainVersion(new(built), new(found))!;

        StringAssert.Contains(message, $"The application has TorchSharp {named},");
        StringAssert.Contains(message, "built and tested with TorchSharp 0.107.0,");
        StringAssert.Contains(message, "in version 0.107.0 from the application");
        StringAssert.Contains(message, $"build CondDiffusion.MLNet with TorchSharp {named}");
    }

    [TestMethod]
    [DataRow("0.107.0.0")]
    [DataRow("0.107.3.0")]
    public void ExplainVersion_SameMinorVersion_HasNothingToSay(string found) =>
        Assert.IsNull(TorchRuntime.ExplainVersion(new("0.107.0.0"), new(found)));

    [TestMethod]
    public void Explain_LibTorchMissing_NamesThePackagesAndTheirVersion()
    {
        var message = TorchRuntime.Explain(Refused with { TorchSharpVersion = "0.109.1", LibTorch = null });

        StringAssert.Contains(message, "libtorch is not in the application's folder");
        StringAssert.Contains(message, "TorchSharp-cpu");
        StringAssert.Contains(message, "TorchSharp-cuda-linux or TorchSharp-cuda-windows");
        StringAssert.Contains(message, "version 0.109.1");
    }

    [TestMethod]
    public void Explain_BridgeMissing_SaysSo()
    {
        var message = TorchRuntime.Explain(Refused with { Bridge = null, LibTorch = null });

        StringAssert.Contains(message, "TorchSharp's native library is not in");
    }

    [TestMethod]
    public void Explain_LibstdcxxTooOld_QuotesTheLoaderAndNamesTheBuildTarget()
    {
        var message = TorchRuntime.Explain(Refused);

        StringAssert.Contains(message, Refused.Bridge);
        StringAssert.Contains(message, Refused.Refusal);
        StringAssert.Contains(message, "RelaxLibTorchSharp");
        StringAssert.Contains(message, "GCC 13");
    }

    [TestMethod]
    public void Explain_AnotherLibraryMissing_QuotesTheLoaderAndLeavesLibstdcxxOut()
    {
        var message = TorchRuntime.Explain(Refused with { Refusal = "libgomp.so.1: cannot open shared object file" });

        StringAssert.Contains(message, "libgomp.so.1");
        Assert.DoesNotContain("RelaxLibTorchSharp", message);
    }

    [TestMethod]
    [DataRow("0.107.0", true)]
    [DataRow("0.106.0", false)]
    public void Explain_RefusedOnWindows_NamesTheIssueForTheOneVersionItConcerns(string version, bool named)
    {
        var message = TorchRuntime.Explain(Refused with
        {
            System = OSPlatform.Windows,
            TorchSharpVersion = version,
            Refusal = "(0x8007007F)",
        });

        Assert.AreEqual(named, message.Contains("issues/1567", StringComparison.Ordinal));
        StringAssert.Contains(message, "(0x8007007F)");
    }

    /// <summary>On a new Windows it is the runtime of Visual C++ that is missing, which no package has.</summary>
    [TestMethod]
    public void Explain_RefusedOnWindows_NamesTheRuntimeOfVisualC()
    {
        var message = TorchRuntime.Explain(Refused with
        {
            System = OSPlatform.Windows,
            TorchSharpVersion = "0.108.1",
            Refusal = "The specified module could not be found. (0x8007007E)",
        });

        StringAssert.Contains(message, "Install the Visual C++ Redistributable for x64");
        StringAssert.Contains(message, "belongs to TorchSharp 0.108.1");
        Assert.DoesNotContain("loader reports", message);
    }
}
