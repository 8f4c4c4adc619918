using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests;

/// <summary>No tensor stays behind from training or loading to disposal, whatever goes wrong in between.</summary>
[TestClass]
public sealed class LifeCycleTests
{
    private static readonly MLContext Ml = new(seed: 1);

    private long _tensors;

    [TestInitialize]
    public void CountTensors()
    {
        TorchRuntime.EnsureLoaded();
        _tensors = TensorAssert.Count();
    }

    [TestCleanup]
    public void NoTensorIsLeft() => Assert.AreEqual(_tensors, Tensor.TotalCount);

    [TestMethod]
    public void Dispose_AfterEveryUse_FreesEveryTensor()
    {
        using var model = Tiny.Fit(Ml);
        Tiny.Pixels(model, Tiny.Rows(Ml, 5));
        model.Generate(["1"]);
        using (var loaded = (IDisposable)ModelZip.Load(Ml, ModelZip.Save(Ml, model)))
            Tiny.Pixels((ITransformer)loaded, Tiny.Rows(Ml));

        using var engine = Tiny.Engine<Tiny.Row>(Ml, model);
        engine.Predict(new());
    }

    [TestMethod]
    public void Use_AfterDispose_ThrowsNamingTheTransformer()
    {
        var model = Tiny.Create(Ml);
        using var engine = Tiny.Engine<Tiny.Row>(Ml, model);
        var view = model.Transform(Tiny.Rows(Ml));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<VBuffer<float>>(view.Schema["GeneratedPixels"]);
        cursor.MoveNext();
        VBuffer<float> pixels = default;
        model.Dispose();
        model.Dispose();

        foreach (var use in new Action[]
        {
            () => getter(ref pixels),
            () => Tiny.Pixels(model, Tiny.Rows(Ml)),
            () => model.Generate(["cat"]),
            () => engine.Predict(new()),
            () => ModelZip.Save(Ml, model),
        })
        {
            var exception = Assert.Throws<Exception>(use).GetBaseException();
            Assert.IsInstanceOfType<ObjectDisposedException>(exception);
            Assert.Contains(nameof(ConditionalDiffusionTransformer), exception.Message);
        }
    }

    [TestMethod]
    public void Dispose_WhileGenerating_EndsTheGeneration()
    {
        using var model = Tiny.Create(Ml);
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate(["cat"], progress: _ => model.Dispose()));
    }

    [TestMethod]
    public void Dispose_FromAnotherThread_WaitsForTheGeneration()
    {
        var model = Tiny.Create(Ml);
        Task? disposing = null;
        var images = model.Generate(["cat"], progress: _ => disposing ??= Task.Run(model.Dispose));
        disposing!.GetAwaiter().GetResult();
        Assert.HasCount(1, images);
    }

    [TestMethod]
    public void PredictionEngine_ByDefault_DisposesTheModel()
    {
        var model = Tiny.Create(Ml);
        using (var engine = Ml.Model.CreatePredictionEngine<Tiny.Row, Tiny.GeneratedRow>(model))
            Assert.HasCount(64, engine.Predict(new()).GeneratedPixels!);

        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate(["cat"]));
    }

    [TestMethod]
    public void PredictionEngine_NotTheOwner_LeavesTheModelToOthers()
    {
        using var model = Tiny.Create(Ml);
        float[] first;
        using (var engine = Tiny.Engine<Tiny.Row>(Ml, model))
            first = engine.Predict(new()).GeneratedPixels!;

        using var second = Tiny.Engine<Tiny.Row>(Ml, model);
        Assert.AreSequenceEqual(first, second.Predict(new()).GeneratedPixels!);
    }

    [TestMethod]
    public void Fit_TokenCancelled_StopsWithinTheStep()
    {
        using var source = new CancellationTokenSource();
        var steps = 0;
        var options = Tiny.Options with
        {
            Epochs = 100,
            CancellationToken = source.Token,
            Progress = new Reporter(_ =>
            {
                if (++steps == 2)
                    source.Cancel();
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
        Assert.AreEqual(2, steps);
    }

    [TestMethod]
    public void Fit_TokenCancelledBefore_ReadsNoRow()
    {
        var options = Tiny.Options with { CancellationToken = new(canceled: true) };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
    }

    [TestMethod]
    public void Fit_ContextCancelled_StopsWithinTheStep()
    {
        var ml = new MLContext(seed: 1);
        var steps = 0;
        var options = Tiny.Options with
        {
            Epochs = 100,
            Progress = new Reporter(_ =>
            {
                if (++steps == 2)
                    CancelExecution(ml);
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(ml, options));
        Assert.AreEqual(2, steps);
    }

    [TestMethod]
    public void Fit_ProgressFails_WarnsOnceAndReturnsTheModel()
    {
        var ml = new MLContext(seed: 1);
        var warnings = new List<string>();
        ml.Log += (_, entry) =>
        {
            if (entry.Kind == ChannelMessageKind.Warning) warnings.Add(entry.Message);
        };
        var options = Tiny.Options with
        {
            Epochs = 2,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(_ => throw new NotSupportedException("no paper")),
        };
        Tiny.Fit(ml, options).Dispose();

        var warning = warnings.Single(line => line.Contains("Progress", StringComparison.Ordinal));
        Assert.Contains("no paper", warning);
        Assert.Contains("the training continues", warning);
    }

    [TestMethod]
    public void Fit_ProgressCancels_StopsThere()
    {
        var steps = 0;
        var options = Tiny.Options with
        {
            Epochs = 9,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(_ => throw new OperationCanceledException($"{++steps}")),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
        Assert.AreEqual(1, steps);
    }

    [TestMethod]
    public void Generate_TokenCancelledOrProgressFails_StopsAndWorksAfterwards()
    {
        using var model = Tiny.Create(Ml);
        using var source = new CancellationTokenSource();
        var steps = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], null, _ =>
        {
            steps++;
            source.Cancel();
        }, source.Token));
        Assert.AreEqual(1, steps);
        Assert.ThrowsExactly<NotSupportedException>(
            () => model.Generate(["cat"], null, _ => throw new NotSupportedException()));
        Assert.HasCount(1, model.Generate(["cat"]));
    }

    [TestMethod]
    public void Transform_ContextCancelledWhileGenerating_StopsWithinTheStep()
    {
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Create(ml);
        var file = ModelZip.Save(ml, model);
        var view = model.Transform(Tiny.Rows(ml));
        using var engine = Tiny.Engine<Tiny.Row>(ml, model);
        var steps = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], null, _ =>
        {
            steps++;
            CancelExecution(ml);
        }));
        Assert.AreEqual(1, steps);
        Assert.ThrowsExactly<OperationCanceledException>(() => view.GetColumn<float[]>("GeneratedPixels").First());
        Assert.ThrowsExactly<OperationCanceledException>(() => engine.Predict(new()));

        // A context stays cancelled; another one is not.
        using var loaded = (IDisposable)ModelZip.Load(Ml, file);
        Assert.HasCount(2, Tiny.Pixels((ITransformer)loaded, Tiny.Rows(Ml)));
    }

    [TestMethod]
    public void Load_TwoHundredTimes_KeepsMemoryFlat()
    {
        var description = Tiny.Description with { Network = Tiny.Description.Network with { Widths = [8, 16, 32] } };
        var network = ConditionalUNet.Create(description.Network, CPU, seed: 1);
        using var model = new ConditionalDiffusionTransformer(Ml, description, network);
        var file = ModelZip.Save(Ml, model);
        void Load(int times)
        {
            for (var i = 0; i < times; i++)
                ((IDisposable)ModelZip.Load(Ml, file)).Dispose();
        }

        Load(30);
        var tensors = Tensor.TotalCount;
        var before = Resident();
        Load(200);

        Assert.AreEqual(tensors, Tensor.TotalCount);
        // 200 models that stay in memory would be 37 MB.
        Assert.IsLessThan(15_000_000, Resident() - before);
    }

    [TestMethod]
    public void Finalization_OfAModelNeverDisposed_FreesItsTensors()
    {
        Abandon();
        for (var i = 0; i < 10 && Tensor.TotalCount > _tensors; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.AreEqual(_tensors, Tensor.TotalCount);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Abandon() => Tiny.Create(Ml).Generate(["cat"]);
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    // This method is public in the package Microsoft.ML.Experimental.
    private static void CancelExecution(MLContext ml) =>
        typeof(MLContext).GetMethod("CancelExecution", BindingFlags.Instance | BindingFlags.NonPublic)!
            .Invoke(ml, null);
}
