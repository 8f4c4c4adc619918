using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests;

/// <summary>From training or loading to disposal: no tensor stays behind, whatever goes wrong on the way.</summary>
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
        using var model = TinyTraining.Fit(Ml);
        TinyModel.Pixels(model, TinyModel.Rows(Ml, 5));
        model.Generate(["1"]);
        using (var loaded = (IDisposable)ModelZip.Load(Ml, ModelZip.Save(Ml, model))) TinyModel.Pixels((ITransformer)loaded, TinyModel.Rows(Ml));
        using var engine = Engine(Ml, model, owns: false);
        engine.Predict(new());
    }

    [TestMethod]
    public void Use_AfterDispose_ThrowsNamingTheTransformer()
    {
        var model = TinyModel.Create(Ml);
        using var engine = Engine(Ml, model, owns: false);
        var view = model.Transform(TinyModel.Rows(Ml));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<VBuffer<float>>(view.Schema["GeneratedPixels"]);
        cursor.MoveNext();
        VBuffer<float> pixels = default;
        model.Dispose();
        model.Dispose();

        foreach (var use in new Action[]
        {
            () => getter(ref pixels),
            () => TinyModel.Pixels(model, TinyModel.Rows(Ml)),
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
    public void Dispose_WhileDrawing_EndsTheDrawing()
    {
        using var model = TinyModel.Create(Ml);
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate(["cat"], progress: _ => model.Dispose()));
    }

    [TestMethod]
    public void Dispose_FromAnotherThread_WaitsForTheDrawing()
    {
        var model = TinyModel.Create(Ml);
        Task? disposing = null;
        var images = model.Generate(["cat"], progress: _ => disposing ??= Task.Run(model.Dispose));
        disposing!.GetAwaiter().GetResult();
        Assert.HasCount(1, images);
    }

    [TestMethod]
    public void PredictionEngine_ByDefault_DisposesTheModel()
    {
        var model = TinyModel.Create(Ml);
        using (var engine = Engine(Ml, model, owns: true)) Assert.HasCount(64, engine.Predict(new()).GeneratedPixels!);
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate(["cat"]));
    }

    [TestMethod]
    public void PredictionEngine_NotTheOwner_LeavesTheModelToOthers()
    {
        using var model = TinyModel.Create(Ml);
        float[] first;
        using (var engine = Engine(Ml, model, owns: false)) first = engine.Predict(new()).GeneratedPixels!;
        using var second = Engine(Ml, model, owns: false);
        Assert.AreSequenceEqual(first, second.Predict(new()).GeneratedPixels!);
    }

    [TestMethod]
    public void Fit_TokenCancelled_StopsWithinTheStep()
    {
        using var source = new CancellationTokenSource();
        var steps = 0;
        var options = TinyTraining.Options with
        {
            Epochs = 100,
            CancellationToken = source.Token,
            Progress = new Reporter(_ =>
            {
                if (++steps == 2) source.Cancel();
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => TinyTraining.Fit(Ml, options));
        Assert.AreEqual(2, steps);
    }

    [TestMethod]
    public void Fit_TokenCancelledBefore_ReadsNoRow()
    {
        var options = TinyTraining.Options with { CancellationToken = new(canceled: true) };
        Assert.ThrowsExactly<OperationCanceledException>(() => TinyTraining.Fit(Ml, options));
    }

    [TestMethod]
    public void Fit_ContextCancelled_StopsWithinTheStep()
    {
        var ml = new MLContext(seed: 1);
        var steps = 0;
        var options = TinyTraining.Options with
        {
            Epochs = 100,
            Progress = new Reporter(_ =>
            {
                if (++steps == 2) CancelExecution(ml);
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => TinyTraining.Fit(ml, options));
        Assert.AreEqual(2, steps);
    }

    [TestMethod]
    public void Fit_ProgressFails_GivesItsException()
    {
        var options = TinyTraining.Options with { Progress = new Reporter(_ => throw new NotSupportedException()) };
        Assert.ThrowsExactly<NotSupportedException>(() => TinyTraining.Fit(Ml, options));
    }

    [TestMethod]
    public void Generate_TokenCancelledOrProgressFails_StopsAndWorksAfterwards()
    {
        using var model = TinyModel.Create(Ml);
        using var source = new CancellationTokenSource();
        var steps = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], null, _ =>
        {
            steps++;
            source.Cancel();
        }, source.Token));
        Assert.AreEqual(1, steps);
        Assert.ThrowsExactly<NotSupportedException>(() => model.Generate(["cat"], null, _ => throw new NotSupportedException()));
        Assert.HasCount(1, model.Generate(["cat"]));
    }

    [TestMethod]
    public void Transform_ContextCancelledWhileDrawing_StopsWithinTheStep()
    {
        var ml = new MLContext(seed: 1);
        using var model = TinyModel.Create(ml);
        var file = ModelZip.Save(ml, model);
        var view = model.Transform(TinyModel.Rows(ml));
        using var engine = Engine(ml, model, owns: false);
        var steps = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], null, _ =>
        {
            steps++;
            CancelExecution(ml);
        }));
        Assert.AreEqual(1, steps);
        Assert.ThrowsExactly<OperationCanceledException>(() => view.GetColumn<float[]>("GeneratedPixels").First());
        Assert.ThrowsExactly<OperationCanceledException>(() => engine.Predict(new()));

        // A context is cancelled for good; another one is not.
        using var loaded = (IDisposable)ModelZip.Load(Ml, file);
        Assert.HasCount(2, TinyModel.Pixels((ITransformer)loaded, TinyModel.Rows(Ml)));
    }

    [TestMethod]
    public void Load_TwoHundredTimes_KeepsMemoryFlat()
    {
        var description = TinyModel.Description with { Network = TinyModel.Description.Network with { Widths = [8, 16, 32] } };
        using var model = new ConditionalDiffusionTransformer(Ml, description, ConditionalUNet.Create(description.Network, CPU, seed: 1));
        var file = ModelZip.Save(Ml, model);
        void Load(int times)
        {
            for (var i = 0; i < times; i++) ((IDisposable)ModelZip.Load(Ml, file)).Dispose();
        }

        Load(30);
        var (tensors, before) = (Tensor.TotalCount, Resident());
        Load(200);
        Assert.AreEqual(tensors, Tensor.TotalCount);
        // 200 models that stayed would be 37 MB.
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
        static void Abandon() => TinyModel.Create(Ml).Generate(["cat"]);
    }

    private static long Resident()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    private static PredictionEngine<TinyModel.Row, TinyModel.Picture> Engine(MLContext ml, ITransformer model, bool owns) =>
        ml.Model.CreatePredictionEngine<TinyModel.Row, TinyModel.Picture>(model, new PredictionEngineOptions { OwnsTransformer = owns });

    // Public in the package Microsoft.ML.Experimental.
    private static void CancelExecution(MLContext ml) =>
        typeof(MLContext).GetMethod("CancelExecution", BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(ml, null);
}
